import { gather } from '../../src/backup/gather.ts';
import { makePlan } from '../../src/backup/plan.ts';
import { runBackup } from '../../src/backup/run.ts';
import type { World } from '../../src/backup/world.ts';
import type { Capture } from '../../src/engines/capture.ts';
import { thisRunner } from '../../src/hold/runner.ts';
import type { RunEvent } from '../../src/model/events.ts';
import { newId } from '../../src/model/id.ts';
import type { Manifest } from '../../src/model/manifest.ts';
import { parseRef } from '../../src/model/ref.ts';
import { Secret } from '../../src/model/secret.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { makeFolder } from './cli.ts';
import { changed, PASSWORD as POSTGRES_PASSWORD, type Server, startServer } from './containers.ts';
import { PASSWORD as MARIADB_PASSWORD, type MariadbServer, startMariadb } from './mariadb.ts';
import { makeWorld } from './world.ts';

const LOGINS: Readonly<Record<string, { readonly user: string; readonly password: string }>> = {
  postgresql: { user: 'postgres', password: POSTGRES_PASSWORD },
  mariadb: { user: 'root', password: MARIADB_PASSWORD },
};

export interface PairOptions {
  readonly onEvent?: (event: RunEvent) => void;
  readonly onOverrun?: 'fail' | 'downgrade';
  readonly holdLimit?: number;
  /** One database of PostgreSQL; default: all of the server, which has data in two, so that it must be held. */
  readonly database?: string;
  /** Between the window and a source's capture. */
  readonly through?: (source: string, capture: Capture) => Partial<Capture>;
}

/** PostgreSQL `pg` and MariaDB `maria` in containers, backed up as one job by dumps. */
export interface Pair extends AsyncDisposable {
  readonly postgres: Server;
  readonly mariadb: MariadbServer;
  readonly events: RunEvent[];
  readonly state: string;
  backup(options?: PairOptions): Promise<Manifest>;
}

export async function startPair(): Promise<Pair> {
  await using undo = new AsyncDisposableStack();
  const [postgres, mariadb] = await Promise.all([startServer(), startMariadb()]);
  undo.use(postgres);
  undo.use(mariadb);
  for (const name of ['orders', 'stock']) {
    await postgres.query(`CREATE DATABASE ${name}`);
    await postgres.query('CREATE TABLE things (id int PRIMARY KEY); INSERT INTO things VALUES (1)', name);
  }
  await mariadb.query('CREATE TABLE things (id int PRIMARY KEY) ENGINE = InnoDB; INSERT INTO things VALUES (1)');
  const folder = undo.use(await makeFolder());
  const events: RunEvent[] = [];
  let listener: ((event: RunEvent) => void) | undefined;
  const emit = (event: RunEvent): void => {
    events.push(event);
    listener?.(event);
  };
  const base = makeWorld({ user: '', password: '', state: folder.in('state'), scratch: folder.in('scratch'), emit });
  const world: World = {
    ...base,
    async login(_, recipe) {
      const { user = '', password = '' } = LOGINS[recipe.data.engine] ?? {};
      return { user, password: new Secret(password) };
    },
  };
  const runner = await thisRunner();
  const repository = await openDirectoryRepository(folder.in('repository'), { create: true, runner });
  const servers = undo.move();
  return {
    postgres,
    mariadb,
    events,
    state: folder.in('state'),
    async backup({ onEvent, onOverrun = 'fail', holdLimit = 10_000, database, through } = {}) {
      listener = onEvent;
      events.length = 0;
      const here = through ? { ...world, ...between(world, through) } : world;
      const one = database === undefined ? '' : `#${database}`;
      const sources = [
        { name: 'maria', ref: parseRef(`docker:${mariadb.name}`), method: 'dump' as const },
        { name: 'pg', ref: parseRef(`docker:${postgres.name}${one}`), method: 'dump' as const },
      ];
      const gathered = await gather(here, { job: 'pair', sources, coordinate: true, holdLimit, onOverrun });
      const never = new AbortController().signal;
      return runBackup(here, makePlan(gathered, newId()), gathered, repository, never);
    },
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

/** The same engines, with somebody between their captures and whoever works with them. */
export function between(world: World, through: NonNullable<PairOptions['through']>): Pick<World, 'engine' | 'engines'> {
  const engine: World['engine'] = async (name) => {
    const real = await world.engine(name);
    return changed(real, {
      async capture(at, login, plan, run) {
        const capture = await real.capture(at, login, plan, run);
        return changed(capture, through(plan.name, capture));
      },
    });
  };
  return { engine, engines: () => Promise.all(['mariadb', 'postgresql'].map(engine)) };
}
