import { median, seconds, spread } from './spread.ts';
import type { Done } from './timed-program.ts';

/** Times are in milliseconds. */
export interface DumpRound {
  readonly raw: number;
  readonly plain: Done;
  readonly locked: Done;
}

export interface RestoreRound {
  readonly raw: number;
  readonly ours: Done;
}

/** From the end of the window to the last byte stored, and from there to the end of the fingerprint. */
const streamOf = (done: Done): number => done.at('dumped') - done.at('resumed');
const fingerprintOf = (done: Done): number => done.at('fingerprint') - done.at('dumped');
const loadOf = (done: Done): number => done.at('recovered') - done.at('restoring');

export function report(
  gib: number,
  warm: number,
  dumps: readonly DumpRound[],
  restores: readonly RestoreRound[],
): string[] {
  const raws = dumps.map(({ raw }) => raw);
  const base = restores.map(({ raw }) => raw);
  const row = (what: string, times: readonly number[], against: readonly number[], goal = ''): string => {
    const ratios = times.map((time, nth) => time / (against[nth] ?? Number.NaN));
    return `| ${what} | ${seconds(median(times))} | ${spread(ratios)} | ${goal} |`;
  };
  const plain = dumps.map((it) => it.plain);
  const locked = dumps.map((it) => it.locked);
  const ours = restores.map((it) => it.ours);
  const saved = plain[0]?.events.find((it) => it.event === 'saved');
  const size = (value: unknown): string => `${(Number(value) / 1024 ** 2).toFixed(0)} MiB`;
  return [
    `A database of ${gib} GiB without its indexes, PostgreSQL 15 in a container, quiet and in memory; rounds of dumps: ${dumps.length},`,
    `of restores: ${restores.length}${warm > 0 ? ', each after one that does not count' : ''}. A dump of it has ${size(saved?.plainBytes)}, stored ${size(saved?.storedBytes)}.`,
    'A ratio is the median of those within a round, with the least and the most; sync is part of every time.',
    '',
    '| | median | times the raw pipeline | goal |',
    '|---|---|---|---|',
    row('`docker exec pg_dump -Fc -Z0 \\| zstd -T0 > file`', raws, raws),
    row('stillpoint: the dump stream, stored', plain.map(streamOf), raws, '1.10'),
    row('the same, encrypted', locked.map(streamOf), raws, '1.20'),
    row('the fingerprint: a digest of every row, by the server', plain.map(fingerprintOf), raws),
    row(
      '`stillpoint backup`, the whole process',
      plain.map((it) => it.millis),
      raws,
    ),
    row(
      'the same, encrypted',
      locked.map((it) => it.millis),
      raws,
    ),
    row('`docker run`, `zstd -dc file \\| docker exec -i pg_restore`', base, base),
    row('stillpoint: a server made, and the dump loaded into it', ours.map(loadOf), base, '1.15'),
    row(
      '`stillpoint restore --as`, the whole process',
      ours.map((it) => it.millis),
      base,
    ),
    '',
    '| peak resident memory of the runner (VmHWM) | MiB | goal |',
    '|---|---|---|',
    `| backup | ${peak(plain)} | 200 |`,
    `| backup, encrypted | ${peak(locked)} | 200 |`,
    `| restore | ${peak(ours)} | 200 |`,
  ];
}

const peak = (runs: readonly Done[]): string => Math.max(...runs.map((it) => it.peak)).toFixed(0);
