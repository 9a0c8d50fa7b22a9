import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import pg from 'pg';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { gather } from '../../src/backup/gather.ts';
import { makePlan } from '../../src/backup/plan.ts';
import { runBackup } from '../../src/backup/run.ts';
import type { World } from '../../src/backup/world.ts';
import { openSession, type Session } from '../../src/engines/postgresql/session.ts';
import { thisRunner } from '../../src/hold/runner.ts';
import type { RunEvent } from '../../src/model/events.ts';
import type { Method } from '../../src/model/facts.ts';
import { newId } from '../../src/model/id.ts';
import type { Manifest, Verification } from '../../src/model/manifest.ts';
import { parseRef } from '../../src/model/ref.ts';
import type { Login } from '../../src/model/secret.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { verifyBackup } from '../../src/restore/verify.ts';
import type { Twin } from '../../src/runtimes/runtime.ts';
import { type ImageName, image } from '../environment/images.ts';
import { makeFolder } from './cli.ts';
import { makeWorld } from './world.ts';

export const PASSWORD = 'canary-7c1f';

export interface Options {
  /** Docker's own choice when absent. */
  readonly name?: string;
  readonly image?: ImageName;
  readonly binds?: readonly { readonly source: string; readonly target: string }[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
}

/** A PostgreSQL in a container, as a user would start it. */
export interface Server extends AsyncDisposable {
  readonly name: string;
  readonly container: StartedTestContainer;
  login(database?: string, user?: string): pg.ClientConfig;
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, database?: string): Promise<R[]>;
  /** Runs a program in the container as root; its output. */
  run(...argv: string[]): Promise<string>;
  /** Numbers, on this machine, of the container's processes of this name. */
  pids(name: string): Promise<readonly number[]>;
}

export async function startServer(options: Options = {}): Promise<Server> {
  const container = new GenericContainer(await image(options.image ?? 'postgres-15'));
  if (options.name !== undefined) container.withName(options.name);
  const started = await container
    .withEnvironment({ POSTGRES_PASSWORD: PASSWORD, ...options.environment })
    .withCommand(['postgres', ...(options.command ?? [])])
    .withBindMounts((options.binds ?? []).map((it) => ({ ...it, mode: 'rw' as const })))
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .start();
  const login = (database = 'postgres', user = 'postgres'): pg.ClientConfig => ({
    host: started.getHost(),
    port: started.getMappedPort(5432),
    user,
    password: PASSWORD,
    database,
  });
  return {
    name: started.getName().replace(/^\//, ''),
    container: started,
    login,
    async query<R extends pg.QueryResultRow>(sql: string, database?: string) {
      const client = new pg.Client(login(database));
      await client.connect();
      try {
        return (await client.query<R>(sql)).rows;
      } finally {
        await client.end();
      }
    },
    async run(...argv) {
      return (await execa('docker', ['exec', '-u', 'root', started.getId(), ...argv])).stdout;
    },
    async pids(name) {
      const { stdout } = await execa('docker', ['top', started.getId(), '-eo', 'pid,comm']);
      return stdout
        .split('\n')
        .flatMap((line) => (line.trim().endsWith(` ${name}`) ? [Number.parseInt(line, 10)] : []));
    },
    async [Symbol.asyncDispose]() {
      await started.stop({ timeout: 0, remove: true, removeVolumes: true });
    },
  };
}

/** Everything around a server that a backup needs, as functions. */
export interface Bench extends AsyncDisposable {
  readonly world: World;
  readonly repository: Repository;
  readonly events: RunEvent[];
  readonly path: (name: string) => string;
  backup(ref: string, options?: BackupOptions): Promise<Manifest>;
  verify(id: string): Promise<Verification>;
  /** Restores into a throwaway container, compares as verify does, and then lets somebody look at it by hand. */
  restored(manifest: Manifest, look: (query: Query, at: Twin, login: Login) => Promise<void>): Promise<void>;
}

/** Values as the server prints them. */
export type Query = (sql: string, database?: string) => ReturnType<Session['query']>;

export interface BackupOptions {
  readonly method?: Method;
  readonly onEvent?: (event: RunEvent) => void;
  readonly onOverrun?: 'fail' | 'downgrade';
  readonly keepSnapshot?: true;
  readonly signal?: AbortSignal;
  /** Between the engine and the repository. */
  readonly through?: (repository: Repository) => Repository;
  readonly change?: (world: World) => World;
}

export async function makeBench(user = 'postgres'): Promise<Bench> {
  const folder = await makeFolder();
  const events: RunEvent[] = [];
  let listener: ((event: RunEvent) => void) | undefined;
  const world = makeWorld({
    user,
    password: PASSWORD,
    state: folder.in('state'),
    scratch: folder.in('scratch'),
    emit: (event) => {
      events.push(event);
      listener?.(event);
    },
  });
  const repository = await openDirectoryRepository(folder.in('repository'), {
    create: true,
    runner: await thisRunner(),
  });
  const never = new AbortController().signal;
  return {
    world,
    repository,
    events,
    path: folder.in,
    async backup(ref, { method, onEvent, onOverrun = 'fail', keepSnapshot, signal = never, through, change } = {}) {
      listener = onEvent;
      const here = change?.(world) ?? world;
      const sources = [{ name: 'pg', ref: parseRef(ref), ...(method === undefined ? {} : { method }) }];
      const job = { job: 'pg', sources, coordinate: true, holdLimit: 10_000, onOverrun };
      const gathered = await gather(here, { ...job, ...(keepSnapshot ? { keepSnapshot } : {}) });
      return runBackup(here, makePlan(gathered, newId()), gathered, through?.(repository) ?? repository, signal);
    },
    verify: (id) => verifyBackup(world, repository, id, never),
    async restored(manifest, look) {
      const [source] = manifest.sources;
      if (!source) throw new Error('no source');
      const engine = await world.engine(source.engine);
      await using open = await repository.open(manifest.id);
      await using twin = await (await world.runtime(source.definition.runtime)).twin(source.definition, newId());
      const login = await engine.restore(source, open, twin);
      const query: Query = async (sql, database) => {
        await using session = await openSession(twin, login, 'test', database);
        return await session.query(sql);
      };
      const differences = await Array.fromAsync(engine.compare(twin, login, source, open));
      if (differences.length > 0) throw new Error(`the restored server differs: ${JSON.stringify(differences)}`);
      await look(query, twin, login);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Asks until it is so. */
export async function until(ask: () => Promise<boolean>, limit = 10_000): Promise<void> {
  const end = performance.now() + limit;
  while (!(await ask())) {
    if (performance.now() > end) throw new Error(`it did not become so within ${limit} ms: ${ask}`);
    await sleep(20);
  }
}

/** The same object, but for these members. */
export function changed<T extends object>(of: T, members: Partial<T>): T {
  return new Proxy(of, {
    get(target, key) {
      const value: unknown = Reflect.get(key in members ? members : target, key);
      // Not bind: `await using` takes no bound functions.
      return typeof value === 'function' ? (...given: unknown[]) => value.apply(target, given) : value;
    },
  });
}
