import { StillpointError } from '../../model/errors.ts';
import type { Row, Session } from './session.ts';

/** What InnoDB says of the transactions that are open. */
export interface Transactions {
  /** Numbers of those that wrote something. A commit makes one vanish. */
  readonly writing: readonly string[];
  /** Sessions with a read view: a consistent snapshot that is open. */
  readonly reading: readonly number[];
}

/**
 * By SHOW ENGINE INNODB STATUS, because information_schema.innodb_trx is a copy that is not renewed while somebody reads
 * it more often than every 0.1 s (storage/innobase/trx/trx0i_s.cc, CACHE_MIN_IDLE_TIME_NS): it would show the past.
 */
export const openTransactions = async (session: Session): Promise<Transactions> =>
  transactionsOf(await session.query(TRANSACTIONS));

/** What tells them; beside other questions in one round trip. */
export const TRANSACTIONS = 'SHOW ENGINE INNODB STATUS';
export const transactionsOf = ([row]: readonly Row[]): Transactions => parseTransactions(row?.Status ?? '');

/** `---TRANSACTION 99, ACTIVE 0 sec` and what is indented below it; one that only reads has an address for a number. Pure. */
export function parseTransactions(status: string): Transactions {
  const from = status.indexOf('LIST OF TRANSACTIONS FOR EACH SESSION');
  const to = status.indexOf('\nFILE I/O', from);
  // The report is cut at 1 MiB (manual: SHOW ENGINE INNODB STATUS): what is not in it may be there all the same.
  if (from < 0 || to < 0 || status.includes('truncated...'))
    throw new StillpointError('hold-refused', 'InnoDB has more open transactions than it can list.');
  const writing: string[] = [];
  const reading: number[] = [];
  for (const text of status.slice(from, to).split('---TRANSACTION ').slice(1)) {
    const number = /^(\d+), /.exec(text)?.[1];
    const session = /(?:MySQL|MariaDB) thread id (\d+)/.exec(text)?.[1];
    if (number !== undefined && /undo log entries [1-9]/.test(text)) writing.push(number);
    if (session !== undefined && text.includes('Trx read view will not see')) reading.push(Number(session));
  }
  return { writing, reading };
}
