import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../../support/cli.ts';
import { openStallArena, type StallArena } from './arena.ts';
import { ours, type Parts } from './ours.ts';
import { nothing, now, pause, script, type Way } from './ways.ts';

const CUTS = 100;
const TABLES = 100;
/** Holds cost by the table: how the window grows is printed, and has no goal. */
const MANY_TABLES = 5_000;
const MANY_CUTS = 10;
/** Writers come to rest between two measurements. */
const REST = 150;

type Gaps = Readonly<Record<string, readonly number[]>>;

/** `npm run bench stall [CUTS]`: how long writers wait while all of their servers are cut at once. */
export async function stall(cuts = CUTS): Promise<string[]> {
  // The disk of this machine is not what is measured.
  process.env.TMPDIR = '/dev/shm';
  const lines: string[] = [
    'The longest that any writer had to wait for one write (two writers on each server, a pause of 1 ms between writes),',
    'half of the servers PostgreSQL 15 and half MariaDB 10.11, in containers, their data on one btrfs subvolume in memory; the ways',
    'take turns. *ours*: the window of a job with the method snapshot. *script*: a client per server that holds in the',
    'usual way, one after the other, a snapshot, and all let go. *nothing*: the same writers, left alone for 150 ms.',
    '',
  ];
  // As each is done, for the whole takes a while.
  const tell = (...some: readonly string[]): void => {
    lines.push(...some);
    process.stderr.write(`${some.join('\n')}\n`);
  };
  for (const servers of [2, 4]) {
    await using arena = await openStallArena(servers, TABLES);
    const parts: Parts[] = [];
    const gaps = await measure(arena, parts, TABLES, cuts);
    tell(`### ${servers} servers, ${TABLES} tables each, ${cuts} cuts`, '', ...table(gaps), '', ...partsLines(parts));
    if (servers === 4) tell(...goals(gaps));
  }
  await using arena = await openStallArena(2, MANY_TABLES);
  const parts: Parts[] = [];
  const gaps = await measure(arena, parts, MANY_TABLES, Math.min(cuts, MANY_CUTS));
  tell(
    `### 2 servers, ${MANY_TABLES} tables each, ${Math.min(cuts, MANY_CUTS)} cuts`,
    '',
    ...table(gaps),
    '',
    ...partsLines(parts),
  );
  return lines;
}

async function measure(arena: StallArena, parts: Parts[], tables: number, cuts: number): Promise<Gaps> {
  await using folder = await makeFolder();
  const ways: Readonly<Record<string, Way>> = {
    nothing,
    ours: ours(folder.path, parts),
    pause,
    script: script(tables),
  };
  const gaps: Record<string, number[]> = {};
  while (!Number.isFinite(await arena.longest({ from: now(), to: now() }))) await sleep(100);
  for (let run = 0; run <= cuts; run++) {
    for (const [name, way] of Object.entries(ways)) {
      const span = await way(arena, run);
      await sleep(REST);
      const gap = await arena.longest({ from: span.from, to: Math.min(span.to + 20, now()) });
      // The first one warms up.
      if (run > 0) gaps[name] = [...(gaps[name] ?? []), gap];
    }
    if (run % 10 !== 0) continue;
    await arena.clear();
    process.stderr.write(`${run} of ${cuts}\n`);
  }
  parts.shift();
  return gaps;
}

const quantile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
};

const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

const table = (gaps: Gaps): string[] => [
  '| way | p50 | p99 | worst |',
  '|---|---|---|---|',
  ...Object.entries(gaps).map(
    ([name, of]) => `| ${name} | ${ms(quantile(of, 0.5))} | ${ms(quantile(of, 0.99))} | ${ms(Math.max(...of))} |`,
  ),
];

function partsLines(parts: readonly Parts[]): string[] {
  const p50 = (key: keyof Parts): string =>
    ms(
      quantile(
        parts.map((it) => it[key]),
        0.5,
      ),
    );
  return [
    `Parts of our window (p50): acquire ${p50('acquire')}, flush ${p50('flush')}, cut ${p50('cut')}, release ${p50('release')}.`,
    '',
  ];
}

function goals(gaps: Gaps): string[] {
  const p = (name: string, part: number): number => quantile(gaps[name] ?? [], part);
  return [
    `Goals: p50 of the script over ours ${(p('script', 0.5) / p('ours', 0.5)).toFixed(1)} (at least 30); ours above nothing, p50:` +
      ` ${ms(p('ours', 0.5) - p('nothing', 0.5))} (at most 15 ms); p99 of ours over pause ${(p('ours', 0.99) / p('pause', 0.99)).toFixed(2)} (at most 1).`,
    '',
  ];
}
