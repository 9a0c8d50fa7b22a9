import { quoteName, quoteText, type Session } from './session.ts';
import { isTransactional, type Table } from './tables.ts';

/** Where a sequence, or the numbering of a table's rows, stood. */
export interface Counter {
  readonly database: string;
  readonly name: string;
  readonly value: bigint;
}

/**
 * Neither is transactional; without a binary log NEXTVAL even goes through BACKUP STAGE BLOCK_COMMIT (tried on 10.11). So
 * they are read before the window and after the data, and a restored server must stand between the two.
 */
export async function countersOf(session: Session, tables: readonly Table[]): Promise<readonly Counter[]> {
  const counters: Counter[] = [];
  for (const { database, name, type, next } of tables) {
    if (type === 'SEQUENCE') {
      const [row] = await session.query(`SELECT next_not_cached_value AS value FROM ${quoteName(database, name)}`);
      counters.push({ database, name, value: BigInt(row?.value ?? '0') });
    } else if (next !== null) {
      counters.push({ database, name: rowsOf(name), value: BigInt(next) });
    }
  }
  return counters;
}

/**
 * The least numbers with which tables of InnoDB may go on after a recovery: what was reserved but never used for a row is
 * forgotten there (8192 came back as 5001, tried on 10.11). `session` sees the rows as of the point.
 */
export async function leastNumbers(session: Session, tables: readonly Table[]): Promise<ReadonlyMap<string, bigint>> {
  const least = new Map<string, bigint>();
  for (const { database, name } of tables.filter((it) => it.next !== null && isTransactional(it))) {
    const [column] = await session.query(`
      SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ${quoteText(database)}
        AND TABLE_NAME = ${quoteText(name)} AND EXTRA LIKE '%auto_increment%'`);
    const [row] = await session.query(
      `SELECT COALESCE(MAX(${quoteName(column?.name ?? '')}), 0) + 1 AS value FROM ${quoteName(database, name)}`,
    );
    least.set(`${database}.${rowsOf(name)}`, BigInt(row?.value ?? '0'));
  }
  return least;
}

const rowsOf = (table: string): string => `${table}, next row`;
