import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createKeyFile } from '../../src/repositories/key-file.ts';

const PAIRS = Number(process.env.STILLPOINT_BENCH_PAIRS ?? 5);
const MIB = 1024 ** 2;
const CHILD = join(import.meta.dirname, 'codec-child.ts');

/** Text like a dump's: numbers that rise, words that repeat, and digests that do not. */
async function sample(path: string, mib: number): Promise<void> {
  const file = await open(path, 'w');
  for (let row = 0, size = 0; size < mib * MIB; ) {
    const lines: string[] = [];
    for (let n = 0; n < 20_000; n += 1, row += 1) {
      const digest = createHash('md5').update(String(row)).digest('hex');
      const city = ['Lisbon', 'Lyon', 'Leeds', 'Lund', 'Lviv', 'Linz'][row % 6];
      lines.push(
        `${row}\t${(row * 7919) % 100_003}\t2026-11-${1 + (row % 28)}\t${city}\tdeliver after ${row % 24}\t${digest}\n`,
      );
    }
    size += (await file.write(lines.join(''))).bytesWritten;
  }
  await file.close();
}

const env = { UV_THREADPOOL_SIZE: String(availableParallelism() + 4) };

async function child(act: string, repository: string, source: string, key: string, more = {}): Promise<number> {
  const { stderr } = await execa(process.execPath, [CHILD, act, repository, source, key], {
    env: { ...env, ...more },
    stdout: 'ignore',
  });
  return Number(stderr) / 1024;
}

const shell = (script: string, ...args: string[]) => execa('sh', ['-ec', script, 'sh', ...args]);

interface Contest {
  readonly what: string;
  readonly against: string;
  before(): Promise<unknown>;
  ours(): Promise<unknown>;
  theirs(): Promise<unknown>;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  await execa('sync');
  const start = performance.now();
  await run();
  await execa('sync');
  return performance.now() - start;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function compete({ what, against, before, ours, theirs }: Contest): Promise<string> {
  const pairs: { us: number; them: number }[] = [];
  for (let round = 0; round <= PAIRS; round += 1) {
    await before();
    const first = round % 2 === 0 ? await timed(ours) : undefined;
    const them = await timed(theirs);
    const us = first ?? (await timed(ours));
    // The first pair warms the caches up and does not count.
    if (round > 0) pairs.push({ us, them });
    process.stderr.write(`${what}: ours ${us.toFixed(0)} ms, ${against} ${them.toFixed(0)} ms\n`);
  }
  const ratios = pairs.map(({ us, them }) => us / them);
  const seconds = (values: readonly number[]) => `${(median(values) / 1000).toFixed(2)} s`;
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  const times = `${seconds(pairs.map(({ us }) => us))} | ${seconds(pairs.map(({ them }) => them))}`;
  return `| ${what} | \`${against}\` | ${times} | **${median(ratios).toFixed(2)}** | ${spread} |`;
}

/** The store alone, without a database: a file of 1 GiB against the programs that do the same. */
export async function codec(): Promise<string[]> {
  const folder = await mkdtemp(join(process.env.STILLPOINT_BENCH_FOLDER ?? tmpdir(), 'stillpoint-codec-'));
  const at = (name: string) => join(folder, name);
  try {
    const recipient = await createKeyFile(at('key'));
    await sample(at('plain'), 1024);
    const clear = (name: string) => async () => rm(at(name), { recursive: true, force: true });
    const keep = async () => {};
    const contests: Contest[] = [
      {
        what: 'store',
        against: 'zstd -T0',
        before: clear('plain-repository'),
        ours: () => child('put', at('plain-repository'), at('plain'), '-'),
        theirs: () => shell('zstd -q -T0 -f -o "$2" < "$1"', at('plain'), at('raw.zst')),
      },
      {
        what: 'store, encrypted',
        against: 'zstd -T0 | age',
        before: clear('locked-repository'),
        ours: () => child('put', at('locked-repository'), at('plain'), at('key')),
        theirs: () => shell('zstd -q -T0 < "$1" | age -r "$3" > "$2"', at('plain'), at('raw.zst.age'), recipient),
      },
      {
        what: 'read back',
        against: 'zstd -d',
        before: keep,
        ours: () => child('get', at('plain-repository'), '', '-'),
        theirs: () => shell('zstd -dc "$1" > /dev/null', at('raw.zst')),
      },
      {
        what: 'read back, encrypted',
        against: 'age -d | zstd -d',
        before: keep,
        ours: () => child('get', at('locked-repository'), '', at('key')),
        theirs: () => shell('age -d -i "$2" "$1" | zstd -dc > /dev/null', at('raw.zst.age'), at('key')),
      },
      {
        what: 'check',
        against: 'sha256sum',
        before: keep,
        ours: () => child('check', at('plain-repository'), '', '-'),
        theirs: () => shell('sha256sum "$1"', at('raw.zst')),
      },
    ];
    const rows: string[] = [];
    for (const contest of contests) rows.push(await compete(contest));
    const peaks: string[] = [];
    for (const gib of ['1GiB', '4GiB']) {
      for (const [name, key] of [['plain', '-'] as const, ['encrypted', at('key')] as const]) {
        await clear('peak')();
        const peak = await child('put', at('peak'), gib, key, { STILLPOINT_BENCH_SAMPLE: at('plain') });
        peaks.push(`| ${gib.replace('GiB', ' GiB')}, ${name} | ${peak.toFixed(0)} MiB |`);
      }
    }
    return [
      `A file of 1 GiB like a dump, ${PAIRS} interleaved pairs after one that does not count, sync included.`,
      'Ours includes the start of Node from TypeScript, SHA-256 of plain and stored bytes, and fsync.',
      '',
      '| | against | ours | theirs | ratio | from, to |',
      '|---|---|---|---|---|---|',
      ...rows,
      '',
      'Peak resident memory (VmHWM) of a process that stores a stream.',
      '',
      '| stream | peak |',
      '|---|---|',
      ...peaks,
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}
