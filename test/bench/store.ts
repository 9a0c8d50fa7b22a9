import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { createKeyFile } from '../../src/repositories/key-file.ts';
import { image } from '../environment/images.ts';
import { PASSWORD, type Server, startServer } from '../support/containers.ts';
import { build } from './built.ts';
import { INDEXES, ROWS, ROWS_AT_ONCE, TABLE } from './cluster.ts';
import { type DumpRound, type RestoreRound, report } from './store-report.ts';
import { runProgram } from './timed-program.ts';

const GIB = 1024 ** 3;
const PAIRS = 5;
/** From this size on a round takes ten minutes: one is measured, and what it finds cold is little beside it. */
const LARGE = 4;
/** No further pair is begun after this long; one is always measured. */
const PATIENCE = { dump: 5 * 60_000, restore: 4 * 60_000 };

interface Place {
  readonly folder: string;
  readonly program: string;
  readonly server: Server;
}

/** A database of `gib` GiB in a container, dumped and restored, against the pipeline that a DBA would type. */
export async function store(gib = 1): Promise<string[]> {
  const folder = await mkdtemp(join(process.env.STILLPOINT_BENCH_FOLDER ?? tmpdir(), 'stillpoint-store-'));
  try {
    await using server = await startServer({
      environment: { POSTGRES_DB: 'bench' },
      command: ['-c', 'max_wal_size=4GB', '-c', 'shared_buffers=256MB', '-c', 'autovacuum=off'],
    });
    const place = { folder, server, program: await build(folder) };
    await configure(folder);
    await fill(server, gib);
    const warm = gib < LARGE ? 1 : 0;
    const dumps = await repeat(warm * PATIENCE.dump, warm, (nth) => dump(place, nth));
    const restores = await repeat(warm * PATIENCE.restore, warm, (nth) => restore(place, nth));
    return report(gib, warm, dumps, restores);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Repositories `plain` and `locked` in the folder. */
export async function configure(folder: string): Promise<void> {
  const recipient = await createKeyFile(join(folder, 'key'));
  const encryption = `{ recipients: [${recipient}], identity: { file: ${join(folder, 'key')} } }`;
  await writeFile(
    join(folder, 'stillpoint.yaml'),
    `repositories:\n  plain: { directory: plain }\n  locked: { directory: locked, encryption: ${encryption} }\n`,
  );
}

/** Rows of `gib` GiB in the database bench. */
export async function fill(server: Server, gib: number): Promise<void> {
  const size = async (): Promise<number> => {
    const [row] = await server.query<{ bytes: string }>(
      "SELECT coalesce(sum(pg_table_size(c.oid)), 0) AS bytes FROM pg_class c WHERE relname LIKE 'orders%' AND relkind = 'r'",
      'bench',
    );
    return Number(row?.bytes);
  };
  for (let table = 0, from = 1; (await size()) < gib * GIB; table += 1) {
    await server.query(TABLE(`orders_${table}`), 'bench');
    const enough = Math.min((await size()) + GIB / 4, gib * GIB);
    for (; (await size()) < enough; from += ROWS_AT_ONCE) await server.query(ROWS(`orders_${table}`, from), 'bench');
    await server.query(INDEXES(`orders_${table}`), 'bench');
  }
  await server.query('VACUUM ANALYZE', 'bench');
  await server.query('CHECKPOINT', 'bench');
}

/** Pairs until there are enough or patience is at its end; the first `warm` fill the caches and do not count. */
async function repeat<T>(patience: number, warm: number, round: (nth: number) => Promise<T>): Promise<readonly T[]> {
  const rounds: T[] = [];
  const end = performance.now() + patience;
  for (let nth = 0; nth < warm + PAIRS && (rounds.length <= warm || performance.now() < end); nth += 1) {
    rounds.push(await round(nth));
    process.stderr.write(`round ${nth}: ${JSON.stringify(rounds.at(-1), brief)}\n`);
  }
  return rounds.slice(warm);
}

const brief = (key: string, value: unknown): unknown =>
  key === 'events' ? undefined : typeof value === 'number' ? Math.round(value) : value;

const shell = (script: string, ...args: string[]) => execa('sh', ['-ec', script, 'sh', ...args]);

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** All three in turn, each first in a third of the rounds. */
async function dump(place: Place, nth: number): Promise<DumpRound> {
  const { folder, server, program } = place;
  const into = async (repository: string) => {
    await rm(join(folder, repository), { recursive: true, force: true });
    await execa('sync');
    const source = `docker:${server.name}#bench`;
    return runProgram(program, ['backup', source, '--to', repository, '--method', 'dump'], folder);
  };
  const acts = {
    raw: async () => {
      await execa('sync');
      // Ours syncs what it wrote: so does this.
      const script = 'docker exec "$1" pg_dump -U postgres -Fc -Z0 bench | zstd -q -T0 -f -o "$2" && sync "$2"';
      return timed(() => shell(script, server.name, join(folder, 'raw.zst')));
    },
    plain: () => into('plain'),
    locked: () => into('locked'),
  };
  if (nth % 3 === 1) {
    const plain = await acts.plain();
    const locked = await acts.locked();
    return { raw: await acts.raw(), plain, locked };
  }
  if (nth % 3 === 2) {
    const locked = await acts.locked();
    const raw = await acts.raw();
    return { raw, plain: await acts.plain(), locked };
  }
  const raw = await acts.raw();
  const plain = await acts.plain();
  return { raw, plain, locked: await acts.locked() };
}

/** Into a container of its own, from its start to the last row, against the same by hand. */
async function restore(place: Place, nth: number): Promise<RestoreRound> {
  const ours = async () => {
    const { folder, server, program } = place;
    const name = `bench-${server.name}`;
    try {
      return await runProgram(program, ['restore', 'latest', '--from', 'plain', '--as', 'bench-'], folder);
    } finally {
      await execa('docker', ['rm', '--force', '--volumes', name], { reject: false });
      await execa('docker', ['volume', 'rm', '--force', `${name}-data`], { reject: false });
    }
  };
  const first = nth % 2 === 0 ? await ours() : undefined;
  const raw = await restoreByHand(place);
  return { raw, ours: first ?? (await ours()) };
}

async function restoreByHand({ folder, server }: Place): Promise<number> {
  const name = `bench-raw-${server.name}`;
  const start = ['run', '--detach', '--name', name, '--env', `POSTGRES_PASSWORD=${PASSWORD}`];
  const environment = ['--env', 'POSTGRES_DB=bench'];
  try {
    return await timed(async () => {
      await execa('docker', [
        ...start,
        ...environment,
        await image('postgres-15'),
        'postgres',
        '-c',
        'max_wal_size=4GB',
      ]);
      const isReady = () => execa('docker', ['exec', name, 'pg_isready', '-h', '127.0.0.1'], { reject: false });
      while ((await isReady()).exitCode !== 0) await sleep(100);
      const script = 'zstd -dc "$2" | docker exec -i "$1" pg_restore -U postgres --exit-on-error -d bench';
      await shell(script, name, join(folder, 'raw.zst'));
    });
  } finally {
    await execa('docker', ['rm', '--force', '--volumes', name], { reject: false });
  }
}
