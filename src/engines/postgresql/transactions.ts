/** A transaction snapshot as the server prints it, `xmin:xmax:running,…` (manual 9.27.10): which transactions have ended. */
interface Transactions {
  /** The first that is not known to have ended. */
  readonly next: bigint;
  /** Those before it that still run. */
  readonly running: readonly bigint[];
}

function parse(text: string): Transactions {
  const [, next = '', running = ''] = text.split(':');
  return { next: BigInt(next), running: running === '' ? [] : running.split(',').map(BigInt) };
}

/** More than this many that run at once are not told apart from those that ended. */
const MOST = 10_000n;

/**
 * Whether of all transactions only `own` ended between two snapshots; or none, when they are equal. Of those that were
 * not yet listed in the first one, every one below `own` must still run in the second.
 */
export function onlyEnded(own: string | undefined, before: string, after: string): boolean {
  if (before === after) return true;
  if (own === undefined) return false;
  const [first, second, id] = [parse(before), parse(after), BigInt(own)];
  if (second.next !== id + 1n || id < first.next || id - first.next > MOST) return false;
  const expected = new Set(first.running);
  for (let it = first.next; it < id; it++) expected.add(it);
  return second.running.length === expected.size && second.running.every((it) => expected.has(it));
}
