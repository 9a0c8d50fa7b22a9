import { quoteText, type Session } from './session.ts';

export async function userDatabases(session: Session): Promise<readonly string[]> {
  const rows = await session.query(`
    SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA
    WHERE SCHEMA_NAME NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1`);
  return rows.map((it) => it.name ?? '');
}

/** One thing with rows, or a view or a sequence. */
export interface Table {
  readonly database: string;
  readonly name: string;
  readonly type: 'BASE TABLE' | 'SYSTEM VERSIONED' | 'VIEW' | 'SEQUENCE';
  readonly engine: string;
  /** Of a table that numbers its rows: the next number. */
  readonly next: string | null;
  /** Of its rows, as the server counts them: exact for tables without transactions. */
  readonly bytes: number;
}

export async function tablesOf(session: Session, databases: readonly string[]): Promise<readonly Table[]> {
  if (databases.length === 0) return [];
  const rows = await session.query(`
    SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS type, COALESCE(ENGINE, '') AS engine, AUTO_INCREMENT AS next, DATA_LENGTH AS bytes
    FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (${databases.map(quoteText).join(', ')})
      AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW', 'SEQUENCE') ORDER BY 1, 2`);
  return rows.map((row) => ({
    database: row.db ?? '',
    name: row.name ?? '',
    type: (row.type ?? '') as Table['type'],
    engine: row.engine ?? '',
    next: row.next ?? null,
    bytes: Number(row.bytes ?? 0),
  }));
}

export const hasRows = ({ type }: Table): boolean => type === 'BASE TABLE' || type === 'SYSTEM VERSIONED';
/** Whether its rows can be read as of a transaction's snapshot. */
export const isTransactional = ({ engine }: Table): boolean => engine === 'InnoDB';
