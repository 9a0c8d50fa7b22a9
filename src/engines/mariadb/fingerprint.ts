import { Readable } from 'node:stream';
import { StillpointError } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { Counter } from './counters.ts';
import type { ObjectPrint } from './objects.ts';
import { quoteName, quoteText, type Session } from './session.ts';
import { hasRows, isTransactional, type Table } from './tables.ts';

/** One line of a fingerprint: what one object was at the cut. */
export type Print =
  | {
      readonly kind: 'table';
      readonly database: string;
      readonly name: string;
      readonly rows: number;
      readonly sum: string;
    }
  | {
      readonly kind: 'counter';
      readonly database: string;
      readonly name: string;
      readonly low: string;
      readonly high: string;
    }
  | ObjectPrint;

/** What a backup can hold: files hold everything as it lies on disk, a dump what SQL can say. */
export type Scope = 'files' | 'dump';

export const asNdjson = (prints: AsyncIterable<Print>): Readable =>
  Readable.from(
    (async function* () {
      for await (const print of prints) yield `${JSON.stringify(print)}\n`;
    })(),
    { objectMode: false },
  );

/** Where counters may stand, from a reading before the cut and one after it. */
export function* counterPrints(before: readonly Counter[], after: readonly Counter[]): Generator<Print> {
  const late = new Map(after.map((it) => [`${it.database}.${it.name}`, it.value]));
  for (const { database, name, value } of before) {
    const last = late.get(`${database}.${name}`) ?? value;
    yield { kind: 'counter', database, name, low: String(value), high: String(last) };
  }
}

/** Every table that the snapshot of `session` pins; what it cannot, or what the backup cannot hold, is named. */
export async function* tablePrints(
  session: Session,
  tables: readonly Table[],
  scope: Scope,
  excluded: Reason[],
): AsyncGenerator<Print> {
  for (const table of tables.filter(hasRows)) {
    const name = `${table.database}.${table.name}`;
    if (!isTransactional(table)) continue;
    if (table.type === 'SYSTEM VERSIONED' && scope === 'dump')
      excluded.push({ code: 'history', text: `${name} keeps old versions of its rows: a dump leaves those out` });
    yield await printOf(session, table, scope, excluded);
  }
}

interface Column {
  readonly name: string;
  readonly type: string;
}

/**
 * Count and sum of a table, independent of the order of rows and exact to the row: each column by its SHA-256, so that
 * neither NULL nor a value's length can be mistaken; the row by the SHA-256 of those; of that 64 bits are added up.
 */
export async function printOf(
  session: Session,
  { database, name }: Table,
  scope: Scope,
  excluded: Reason[],
): Promise<Print> {
  const columns = await columnsOf(session, database, name);
  if (scope === 'dump' && columns.some((it) => it.type === 'float'))
    excluded.push({
      code: 'float',
      text: `${database}.${name} has FLOAT columns: a dump keeps six digits of their values`,
    });
  const hash = `SHA2(CONCAT(${columns.map((it) => columnHash(it, scope)).join(', ')}), 256)`;
  const [row] = await session.query(`
    SELECT COUNT(*) AS number, COUNT(h) AS hashed, COALESCE(SUM(CAST(CONV(LEFT(h, 16), 16, 10) AS DECIMAL(20))), 0) AS sum
    FROM (SELECT ${hash} AS h FROM ${quoteName(database, name)}) AS stillpoint_rows`);
  // A value beyond max_allowed_packet has no hash: then the sum would be of something else than the table.
  if (row?.number !== row?.hashed) {
    throw new StillpointError(
      'backup-failed',
      `The table ${database}.${name} cannot be fingerprinted: it has values larger than max_allowed_packet.`,
      { next: 'Raise max_allowed_packet on the server.' },
    );
  }
  return { kind: 'table', database, name, rows: Number(row?.number), sum: row?.sum ?? '' };
}

/** What is computed when it is read is no data, and the times of a row's versions are those of the server that wrote it. */
async function columnsOf(session: Session, database: string, table: string): Promise<readonly Column[]> {
  const rows = await session.query(`
    SELECT COLUMN_NAME AS name, DATA_TYPE AS type FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = ${quoteText(database)} AND TABLE_NAME = ${quoteText(table)}
      AND EXTRA NOT LIKE '%VIRTUAL GENERATED%' AND COALESCE(GENERATION_EXPRESSION, '') NOT IN ('ROW START', 'ROW END')
    ORDER BY ORDINAL_POSITION`);
  return rows.map((row) => ({ name: row.name ?? '', type: row.type ?? '' }));
}

function columnHash({ name, type }: Column, scope: Scope): string {
  const column = quoteName(name);
  // As text a FLOAT has six digits, which is what a dump writes; files keep all of it.
  const exact = type === 'float' && scope === 'files' ? `CAST(${column} AS DOUBLE)` : column;
  const value = type === 'bit' ? `${column} + 0` : exact;
  return `IF(${column} IS NULL, '-', SHA2(${value}, 256))`;
}
