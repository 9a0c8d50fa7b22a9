import { quoteName, type Session } from './session.ts';

/** User tables that hold rows or route them: what a SHARE lock can stop. Temporary tables belong to their sessions. */
const USER_TABLES = `
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)'`;

export interface TableCount {
  readonly database: string;
  readonly tables: number;
  readonly unreadable: number;
  readonly firstUnreadable: string;
  readonly unlockable: number;
  readonly firstUnlockable: string;
}

/** How many tables this login could read and lock. MAINTAIN (17) suffices for a SHARE lock; before, a right to change rows does. */
export async function countTables(session: Session): Promise<TableCount> {
  const [row] = await session.query(`
    SELECT count(*) AS tables, count(*) FILTER (WHERE NOT readable) AS unreadable, min(name) FILTER (WHERE NOT readable) AS unread,
           count(*) FILTER (WHERE NOT lockable) AS unlockable, min(name) FILTER (WHERE NOT lockable) AS unlock
    FROM (SELECT c.oid::regclass::text AS name, has_table_privilege(c.oid, 'SELECT') AS readable,
                 has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'
                   || CASE WHEN current_setting('server_version_num')::int >= 170000 THEN ', MAINTAIN' ELSE '' END) AS lockable
          ${USER_TABLES}) t`);
  return {
    database: session.database,
    tables: Number(row?.tables),
    unreadable: Number(row?.unreadable),
    firstUnreadable: row?.unread ?? '',
    unlockable: Number(row?.unlockable),
    firstUnlockable: row?.unlock ?? '',
  };
}

/** A table as `LOCK TABLE` takes it. */
export interface LockTarget {
  readonly oid: string;
  readonly sql: string;
}

/** Every user table, in OID order. */
export async function tablesToLock(session: Session): Promise<readonly LockTarget[]> {
  const rows = await session.query(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name ${USER_TABLES} ORDER BY c.oid`,
  );
  return rows.map((row) => ({ oid: row.oid ?? '', sql: `ONLY ${quoteName(row.schema ?? '', row.name ?? '')}` }));
}
