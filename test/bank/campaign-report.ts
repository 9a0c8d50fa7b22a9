import type { Method } from '../../src/model/facts.ts';
import { count, millis } from '../../src/output/format.ts';
import type { ServerName } from './schema.ts';
import type { BankOptions } from './servers.ts';

export interface Combination extends BankOptions {
  readonly methods: Readonly<Record<ServerName, Method>>;
}

const SNAPSHOTS = { postgres: 'snapshot', mariadb: 'snapshot' } as const;
const DUMPS = { postgres: 'dump', mariadb: 'dump' } as const;
const MIXED = { postgres: 'snapshot', mariadb: 'dump' } as const;

export const COMBINATIONS: readonly Combination[] = (['strict', 'relaxed'] as const).flatMap((durability) => [
  { storage: 'one subvolume', durability, methods: SNAPSHOTS },
  { storage: 'two subvolumes', durability, methods: SNAPSHOTS },
  { storage: 'two subvolumes', durability, methods: MIXED },
  { storage: 'volumes', durability, methods: DUMPS },
]);

export const nameOf = ({ storage, durability, methods }: Combination): string =>
  `${methods.postgres === methods.mariadb ? methods.postgres : `${methods.postgres} + ${methods.mariadb}`}, ${storage}, ${durability}`;

/** One cut, booted and judged. */
export interface Line {
  readonly combination: string;
  readonly at: string;
  readonly commit: string;
  readonly claimed: boolean;
  /** Why not, by code. */
  readonly reasons: readonly string[];
  readonly held: Readonly<Record<string, number>>;
  /** Acknowledged acts that had to be there, and those that were not. */
  readonly due: number;
  readonly missing: number;
  readonly uncaused: number;
  readonly torn: number;
  /** Cents that the books are off by. */
  readonly off: number;
  /** Against the fingerprint that was taken at the cut. */
  readonly differences: number;
}

/** The page docs/one-instant.md. */
export function report(lines: readonly Line[]): string {
  const names = COMBINATIONS.map(nameOf).filter((name) => lines.some((it) => it.combination === name));
  const sum = (of: readonly Line[], key: 'due' | 'missing' | 'uncaused' | 'torn' | 'differences'): number =>
    of.reduce((total, it) => total + it[key], 0);
  const rows = [...names, 'all'].map((name) => {
    const of = name === 'all' ? lines : lines.filter((it) => it.combination === name);
    const longest = of.map((it) => Math.max(0, ...Object.values(it.held))).sort((a, b) => a - b);
    const cells = [
      name,
      count(of.length),
      count(of.filter((it) => it.claimed).length),
      count(sum(of, 'due')),
      count(sum(of, 'missing')),
      count(sum(of, 'uncaused')),
      count(sum(of, 'torn')),
      count(sum(of, 'differences')),
      `${millis(longest[Math.floor(longest.length / 2)] ?? 0)} / ${millis(longest.at(-1) ?? 0)}`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const reasons = new Map<string, number>();
  for (const code of lines.flatMap((it) => it.reasons)) reasons.set(code, (reasons.get(code) ?? 0) + 1);
  const days = lines.map((it) => it.at).sort();
  return [
    '# One instant over two engines: the campaign',
    '',
    'An application moves money between a PostgreSQL 15 and a MariaDB 10.11 in containers, in both directions, without',
    'distributed transactions; each act is caused by one in the other engine. One job backs both up under that load, both',
    'are booted from the backup, and a judge that knows nothing of backups reads every row: `npm run campaign`, source in',
    '`test/bank`. Written by the campaign itself from its own lines.',
    '',
    `Run from ${days[0]?.slice(0, 16).replace('T', ' ')} to ${days.at(-1)?.slice(0, 16).replace('T', ' ')} UTC, on ${[...new Set(lines.map((it) => it.commit))].join(', ')}.`,
    '',
    '- *one instant*: what the manifest claims; the rest is kept with its reasons, and judged all the same.',
    '- *due*: acts whose commit had been acknowledged before the hold of their server (before its flush, where it was not',
    '  held); *missing*: those of them that were not in the restored server.',
    '- *uncaused*: effects without their cause; *torn*: halves of transactions; *differs*: from the fingerprint at the cut.',
    '- *held*: the longest hold of a cut, median and worst.',
    '',
    '| methods, storage, durability | cuts | one instant | due | missing | uncaused | torn | differs | held |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    reasons.size === 0
      ? 'Every cut was claimed as one instant.'
      : `Not claimed as one instant, because of: ${[...reasons].map(([code, n]) => `${code} (${n})`).join(', ')}.`,
    '',
  ].join('\n');
}
