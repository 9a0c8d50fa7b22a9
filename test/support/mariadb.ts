import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { gather } from '../../src/backup/gather.ts';
import { makePlan } from '../../src/backup/plan.ts';
import { runBackup } from '../../src/backup/run.ts';
import type { World } from '../../src/backup/world.ts';
import { thisRunner } from '../../src/hold/runner.ts';
import type { RunEvent } from '../../src/model/events.ts';
import type { Method } from '../../src/model/facts.ts';
import { newId } from '../../src/model/id.ts';
import type { Manifest, Verification } from '../../src/model/manifest.ts';
import { parseRef } from '../../src/model/ref.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { verifyBackup } from '../../src/restore/verify.ts';
import { type ImageName, image } from '../environment/images.ts';
import { makeFolder } from './cli.ts';
import type { Ledger } from './ledger.ts';
import { makeWorld } from './world.ts';

export const PASSWORD = 'canary-4b9e';

type Rows = Readonly<Record<string, unknown>>[];

/** A MariaDB in a container, as a user would start it. */
export interface MariadbServer extends AsyncDisposable {
  readonly name: string;
  readonly container: StartedTestContainer;
  readonly login: mysql.ConnectionOptions;
  connect(): Promise<mysql.Connection>;
  /** The rows of the last statement. */
  query(sql: string): Promise<Rows>;
}

export async function startMariadb(
  options: {
    /** Docker's own choice when absent. */
    readonly name?: string;
    readonly image?: ImageName;
    readonly command?: readonly string[];
    readonly binds?: readonly { readonly source: string; readonly target: string }[];
  } = {},
): Promise<MariadbServer> {
  const wanted = new GenericContainer(await image(options.image ?? 'mariadb-10.11'));
  if (options.name !== undefined) wanted.withName(options.name);
  const container = await wanted
    .withEnvironment({ MARIADB_ROOT_PASSWORD: PASSWORD, MARIADB_DATABASE: 'shop' })
    .withCommand(['mariadbd', ...(options.command ?? ['--log-bin=binlog', '--server-id=3'])])
    .withBindMounts((options.binds ?? []).map((it) => ({ ...it, mode: 'rw' as const })))
    .withExposedPorts(3306)
    .withWaitStrategy(Wait.forLogMessage(/ready for connections/, 2))
    .start();
  const login = {
    host: container.getHost(),
    port: container.getMappedPort(3306),
    user: 'root',
    password: PASSWORD,
    database: 'shop',
    multipleStatements: true,
  };
  return {
    name: container.getName().replace(/^\//, ''),
    container,
    login,
    connect: () => mysql.createConnection(login),
    async query(sql) {
      const client = await mysql.createConnection(login);
      try {
        const [result] = await client.query(sql);
        const last: unknown = Array.isArray(result) && Array.isArray(result.at(-1)) ? result.at(-1) : result;
        return Array.isArray(last) ? (last as Rows) : [];
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await container.stop({ timeout: 0, remove: true, removeVolumes: true });
    },
  };
}

/** What writers were told by the server, from outside; as `startLedger` for PostgreSQL. */
export async function startMariadbLedger(
  server: MariadbServer,
  { table = 'ledger', writers = 4, pause = 2 } = {},
): Promise<Ledger> {
  await server.query(
    `CREATE TABLE IF NOT EXISTS ${table} (writer int, n int, at datetime(6) DEFAULT current_timestamp(6), PRIMARY KEY (writer, n)) ENGINE = InnoDB`,
  );
  const acknowledged: number[] = Array(writers).fill(0);
  const stop = new AbortController();
  let last = performance.now();
  let longest = 0;
  const work = async (writer: number): Promise<void> => {
    const client = await server.connect();
    try {
      for (let n = 1; !stop.signal.aborted; n++) {
        await client.query(`INSERT INTO ${table} (writer, n) VALUES (?, ?)`, [writer, n]);
        acknowledged[writer] = n;
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
        await sleep(pause);
      }
    } finally {
      client.destroy();
    }
  };
  const working = Promise.all(acknowledged.map((_, writer) => work(writer)));
  working.catch(() => undefined);
  const sum = (): number => acknowledged.reduce((total, it) => total + it, 0);
  return {
    acknowledged: () => [...acknowledged],
    longestGap() {
      const gap = Math.max(longest, performance.now() - last);
      longest = 0;
      return gap;
    },
    async progress(limit) {
      const before = sum();
      const start = performance.now();
      // Each writer may have had one write under way: more than that many shows that new ones go through.
      while (sum() < before + writers + 1) {
        if (performance.now() - start > limit) throw new Error(`no writer made progress within ${limit} ms`);
        await sleep(5);
      }
      return performance.now() - start;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await working;
    },
  };
}

/** Everything around a server that a backup needs, as functions. */
export interface MariadbBench extends AsyncDisposable {
  readonly world: World;
  readonly repository: Repository;
  readonly events: RunEvent[];
  readonly state: string;
  backup(
    server: MariadbServer,
    options?: { readonly method?: Method; readonly onEvent?: (event: RunEvent) => void; readonly holdLimit?: number },
  ): Promise<Manifest>;
  verify(id: string): Promise<Verification>;
}

export async function makeMariadbBench(): Promise<MariadbBench> {
  const folder = await makeFolder();
  const events: RunEvent[] = [];
  let listener: ((event: RunEvent) => void) | undefined;
  const world = makeWorld({
    user: 'root',
    password: PASSWORD,
    state: folder.in('state'),
    scratch: folder.in('scratch'),
    emit: (event) => {
      events.push(event);
      listener?.(event);
    },
  });
  const runner = await thisRunner();
  const repository = await openDirectoryRepository(folder.in('repository'), { create: true, runner });
  const never = new AbortController().signal;
  return {
    world,
    repository,
    events,
    state: folder.in('state'),
    async backup(server, { method = 'dump', onEvent, holdLimit = 10_000 } = {}) {
      listener = onEvent;
      const sources = [{ name: 'shop', ref: parseRef(`docker:${server.name}`), method }];
      const gathered = await gather(world, { job: 'shop', sources, coordinate: true, holdLimit, onOverrun: 'fail' });
      return runBackup(world, makePlan(gathered, newId()), gathered, repository, never);
    },
    verify: (id) => verifyBackup(world, repository, id, never),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
