import { quoteName, type Session } from './session.ts';

/** User tables that hold rows or route them: what a SHARE lock can stop. Temporary tables belong to their sessions. */
const USER_TABLES = `
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)'`;

const UNREADABLE_OBJECTS = `
SELECT count(*) FROM pg_largeobject_metadata m WHERE current_setting('lo_compat_privileges') = 'off' AND NOT pg_has_role(m.lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))`;

export interface TableCount {
  readonly database: string;
  readonly tables: number;
  readonly largeObjects: boolean;
  readonly unreadable: number;
  readonly firstUnreadable: string;
  readonly unlockable: number;
  readonly firstUnlockable: string;
  /** Large objects that it may not read: the right to all data does not include them. */
  readonly unreadableObjects: number;
  /** Tables of which row security would hide rows. */
  readonly filtered: number;
}

/** How many tables this login could read and lock. MAINTAIN (17) suffices for a SHARE lock; before, a right to change rows does. */
export async function countTables(session: Session): Promise<TableCount> {
  const [row] = await session.query(`
    SELECT count(*) AS tables, count(*) FILTER (WHERE NOT readable) AS unreadable, min(name) FILTER (WHERE NOT readable) AS unread,
           count(*) FILTER (WHERE NOT lockable) AS unlockable, min(name) FILTER (WHERE NOT lockable) AS unlock,
           count(*) FILTER (WHERE filtered) AS filtered, (${UNREADABLE_OBJECTS}) AS objects,
           EXISTS (SELECT FROM pg_largeobject_metadata) AS large
    FROM (SELECT c.oid::regclass::text AS name, has_table_privilege(c.oid, 'SELECT') AS readable, row_security_active(c.oid) AS filtered,
                 has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'
                   || CASE WHEN current_setting('server_version_num')::int >= 170000 THEN ', MAINTAIN' ELSE '' END) AS lockable
          ${USER_TABLES}) t`);
  return {
    database: session.database,
    tables: Number(row?.tables),
    largeObjects: row?.large === 't',
    unreadable: Number(row?.unreadable),
    firstUnreadable: row?.unread ?? '',
    unlockable: Number(row?.unlockable),
    firstUnlockable: row?.unlock ?? '',
    unreadableObjects: Number(row?.objects),
    filtered: Number(row?.filtered),
  };
}

/** Whether there is anything in this session's database that transactions change, as far as its own snapshot sees. */
export async function holdsData(session: Session): Promise<boolean> {
  const [row] = await session.query(
    `SELECT EXISTS (SELECT ${USER_TABLES}) OR EXISTS (SELECT FROM pg_largeobject_metadata) AS data`,
  );
  return row?.data === 't';
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
