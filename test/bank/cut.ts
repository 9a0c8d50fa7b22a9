import { gather } from '../../src/backup/gather.ts';
import { makePlan } from '../../src/backup/plan.ts';
import { runBackup } from '../../src/backup/run.ts';
import type { World } from '../../src/backup/world.ts';
import { openSession as openMariadb } from '../../src/engines/mariadb/session.ts';
import { openSession as openPostgres } from '../../src/engines/postgresql/session.ts';
import { thisRunner } from '../../src/hold/runner.ts';
import type { RunEvent } from '../../src/model/events.ts';
import type { Method } from '../../src/model/facts.ts';
import { newId } from '../../src/model/id.ts';
import type { Manifest, SourceRecord } from '../../src/model/manifest.ts';
import { parseRef } from '../../src/model/ref.ts';
import { Secret } from '../../src/model/secret.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { makeFolder } from '../support/cli.ts';
import { makeWorld } from '../support/world.ts';
import { type Books, balance, type Ledger, type Ledgers, missing, readLedger } from './books.ts';
import { SERVERS, type ServerName } from './schema.ts';
import type { Bank } from './servers.ts';
import { sharedClock, type Transfers } from './transfers.ts';

/** What became of one cut: the claim, and what a judge who knows nothing of backups found in the restored servers. */
export interface Judged {
  readonly manifest: Manifest;
  readonly books: Books;
  /** Acts that had been acknowledged in time, and are not there. */
  readonly missing: number;
  /** Acts that had to be there. */
  readonly due: number;
  /** What differs from the fingerprint, in words. */
  readonly differences: readonly string[];
}

export interface CutOptions {
  readonly methods: Readonly<Record<ServerName, Method>>;
  readonly onOverrun?: 'fail' | 'downgrade';
  readonly onEvent?: (event: RunEvent) => void;
}

/** Backs up the bank's two servers as one job, boots both, and judges them. */
export interface Cutter extends AsyncDisposable {
  readonly repository: Repository;
  cut(transfers: Transfers, options: CutOptions): Promise<Judged>;
}

const never = new AbortController().signal;

export async function makeCutter(bank: Bank): Promise<Cutter> {
  const folder = await makeFolder();
  let listener: ((event: RunEvent) => void) | undefined;
  const base = makeWorld({
    user: '',
    password: '',
    state: folder.in('state'),
    scratch: folder.in('scratch'),
    emit: (event) => listener?.(event),
  });
  const world: World = {
    ...base,
    async login({ name }) {
      const { user, password } = bank.logins[name as ServerName];
      return { user, password: new Secret(password) };
    },
  };
  const repository = await openDirectoryRepository(folder.in('repository'), {
    create: true,
    runner: await thisRunner(),
  });
  return {
    repository,
    async cut(transfers, { methods, onOverrun = 'fail', onEvent }) {
      listener = onEvent;
      const sources = SERVERS.map((name) => ({
        name,
        ref: parseRef(`docker:${bank[name].name}`),
        method: methods[name],
      }));
      const job = { job: 'bank', sources, coordinate: true, holdLimit: 10_000, onOverrun };
      const gathered = await gather(world, job);
      const manifest = await runBackup(world, makePlan(gathered, newId()), gathered, repository, never);
      const acknowledged = await transfers.acknowledged();
      const due = dueOf(manifest);
      const restored = await Promise.all(SERVERS.map((name) => boot(world, repository, manifest, name)));
      const ledgers = Object.fromEntries(SERVERS.map((name, at) => [name, restored[at]?.ledger])) as Ledgers;
      return {
        manifest,
        books: balance(ledgers),
        missing: missing(ledgers, acknowledged, due).length,
        due: acknowledged.filter(({ server, at }) => at < due[server]).length,
        differences: restored.flatMap((it) => it.differences),
      };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Until when an acknowledged act must be in the backup: the hold's beginning, or the flush's of what was not held. */
function dueOf({ window }: Manifest): Readonly<Record<ServerName, number>> {
  const due = (name: ServerName): number => {
    const since = window?.held[name]?.held.start ?? window?.flushed[name]?.start;
    if (since === undefined) throw new Error(`${name} was neither held nor flushed`);
    return sharedClock(since);
  };
  return { postgres: due('postgres'), mariadb: due('mariadb') };
}

async function boot(
  world: World,
  repository: Repository,
  manifest: Manifest,
  name: ServerName,
): Promise<{ readonly ledger: Ledger; readonly differences: readonly string[] }> {
  const source = manifest.sources.find((it) => it.name === name) as SourceRecord;
  const engine = await world.engine(source.engine);
  await using open = await repository.open(manifest.id);
  await using twin = await (await world.runtime('docker')).twin(source.definition, newId());
  const login = await engine.restore(source, open, twin);
  const differences = (await Array.fromAsync(engine.compare(twin, login, source, open))).map(
    (it) => `${it.name} ${it.text}`,
  );
  const ask = async (sql: string) => {
    if (name === 'postgres') {
      await using session = await openPostgres(twin, login, 'judge', 'bank');
      return rows(await session.query(sql));
    }
    await using session = await openMariadb(twin, login, 'judge');
    await session.query('USE bank');
    return rows(await session.query(sql));
  };
  return { ledger: await readLedger(ask), differences };
}

const rows = (of: readonly Readonly<Record<string, string | null>>[]) =>
  of.map((row) => Object.values(row).map((it) => it ?? ''));
