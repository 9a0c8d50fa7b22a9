import { createInterface } from 'node:readline';
import type { Open } from '../repositories/repository.ts';

/** What a fingerprint holds of one table. */
export interface RowsPrint {
  readonly rows: number;
  readonly sum: string;
}

/** Where numbering stood, and how far it may have moved since: whole numbers as text, for they may be larger than ours. */
export interface RangePrint {
  readonly low: string;
  readonly high: string;
}

/** A stored fingerprint, a line a print, by `keyOf`. */
export async function readPrints<P>(open: Open, name: string, keyOf: (print: P) => string): Promise<Map<string, P>> {
  const found = new Map<string, P>();
  const input = await open(name);
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const print = JSON.parse(line) as P;
    found.set(keyOf(print), print);
  }
  return found;
}

const count = (rows: number): string => `${rows.toLocaleString('en-US')} row${rows === 1 ? '' : 's'}`;

/** One sentence when the rows of a table are not those of the cut. */
export function rowsDiffer(before: RowsPrint, after: RowsPrint): string | undefined {
  if (before.rows !== after.rows)
    return `has ${count(after.rows)} restored, ${before.rows.toLocaleString('en-US')} at the cut`;
  return before.sum === after.sum ? undefined : `has ${count(after.rows)} as at the cut, but their content differs`;
}

/** Whether numbering that stands at `after.low` is within what was seen; it may count downwards. */
export function isWithin(before: RangePrint, after: Pick<RangePrint, 'low'>): boolean {
  const [at, low, high] = [BigInt(after.low), BigInt(before.low), BigInt(before.high)];
  return low <= high ? at >= low && at <= high : at <= low && at >= high;
}
