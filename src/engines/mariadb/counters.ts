import { quoteName, type Session } from './session.ts';
import type { Table } from './tables.ts';

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
      counters.push({ database, name: `${name}, next row`, value: BigInt(next) });
    }
  }
  return counters;
}
