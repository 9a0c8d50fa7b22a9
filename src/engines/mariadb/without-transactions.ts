import type { Reason } from '../../model/level.ts';
import { type Print, printOf } from './fingerprint.ts';
import type { Session } from './session.ts';
import { hasRows, isTransactional, type Table } from './tables.ts';

/**
 * Nothing pins the rows of these tables, so their fingerprint is read while writes are held: at most so many bytes of all
 * of them together.
 */
const BUDGET = 512 * 1024;
const READABLE = ['Aria', 'MyISAM'];

export interface Unpinned {
  /** Read in the window. */
  readonly small: readonly Table[];
  /** By name, why the others are not compared. */
  readonly reasons: readonly Reason[];
}

/** The smallest first, as many as the budget allows. Pure. */
export function unpinnedOf(tables: readonly Table[]): Unpinned {
  const all = tables.filter((it) => hasRows(it) && !isTransactional(it)).toSorted((a, b) => a.bytes - b.bytes);
  const small: Table[] = [];
  const reasons: Reason[] = [];
  let bytes = 0;
  for (const table of all) {
    bytes += table.bytes;
    const what = `${table.database}.${table.name} is a table of ${table.engine}`;
    if (!READABLE.includes(table.engine))
      reasons.push({ code: 'not-compared', text: `${what}: it is not compared, and may not be whole after a restore` });
    else if (bytes > BUDGET)
      reasons.push({
        code: 'not-compared',
        text: `${what} and too large to be read while writes are held: not compared`,
      });
    else small.push(table);
  }
  return { small, reasons };
}

/** The fingerprints of tables as they are now. */
export async function readNow(session: Session, tables: readonly Table[]): Promise<readonly Print[]> {
  const prints: Print[] = [];
  for (const table of tables) prints.push(await printOf(session, table, 'files', []));
  return prints;
}

/** What is the same at both ends of the cut was so at the cut, too; the rest is pushed to `reasons` by name. Pure. */
export function* unmoved(before: readonly Print[], after: readonly Print[], reasons: Reason[]): Generator<Print> {
  const later = new Set(after.map((it) => JSON.stringify(it)));
  for (const print of before) {
    if (later.has(JSON.stringify(print))) yield print;
    else {
      const text = `${print.database}.${print.name} was being changed while the cut was taken: not compared`;
      reasons.push({ code: 'not-compared', text });
    }
  }
}
