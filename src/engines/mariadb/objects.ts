import { createHash } from 'node:crypto';
import { StillpointError } from '../../model/errors.ts';
import { quoteName, quoteText, type Row, type Session } from './session.ts';
import { hasRows, type Table } from './tables.ts';

/** What something is defined as, in the server's own words. */
export interface ObjectPrint {
  readonly kind: string;
  readonly database: string;
  readonly name: string;
  readonly definition: string;
}

/** Databases, tables, views, sequences, routines, triggers and events, by SHOW CREATE. */
export async function objectsOf(
  session: Session,
  databases: readonly string[],
  tables: readonly Table[],
): Promise<readonly ObjectPrint[]> {
  const found: ObjectPrint[] = [];
  const add = async (kind: string, database: string, name: string, show: string): Promise<void> => {
    const [row] = await session.query(show);
    found.push({ kind, database, name, definition: definitionIn(row, `${kind} ${database}.${name}`) });
  };
  for (const it of databases) await add('database', it, it, `SHOW CREATE DATABASE ${quoteName(it)}`);
  for (const table of tables) {
    const { database, name, type } = table;
    const kind = hasRows(table) ? 'definition' : type.toLowerCase();
    const word = type === 'VIEW' ? 'VIEW' : 'TABLE';
    await add(kind, database, name, `SHOW CREATE ${word} ${quoteName(database, name)}`);
  }
  for (const { kind, db, name } of await codeIn(session, databases)) {
    const show = `SHOW CREATE ${kind} ${quoteName(db ?? '', name ?? '')}`;
    await add((kind ?? '').toLowerCase(), db ?? '', name ?? '', show);
  }
  return found;
}

async function codeIn(session: Session, databases: readonly string[]): Promise<readonly Row[]> {
  if (databases.length === 0) return [];
  const within = databases.map(quoteText).join(', ');
  return session.query(`
    SELECT ROUTINE_TYPE AS kind, ROUTINE_SCHEMA AS db, ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN (${within})
    UNION ALL SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN (${within})
    UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA IN (${within}) ORDER BY 1, 2, 3`);
}

/** `Create Table`, `Create Function`, `SQL Original Statement`. NULL: this login may not see it. */
function definitionIn(row: Row | undefined, what: string): string {
  const text = Object.entries(row ?? {}).find(([key]) => /^(Create |SQL Original)/.test(key))?.[1];
  if (text == null) {
    throw new StillpointError('privilege', `The definition of ${what} is not shown to this login.`, {
      next: 'stillpoint recipe show mariadb --grants',
    });
  }
  // Which number the next row gets is no definition: it moves with every row.
  return text.replace(/^(\).*?) AUTO_INCREMENT=\d+/m, '$1');
}

/** The account that a throwaway server gets for us. */
export const TWIN_USER = 'stillpoint_twin';

/** Users, roles and what they may do. Passwords are compared, never stored in readable form. */
export async function accountsOf(session: Session): Promise<readonly ObjectPrint[]> {
  const found: ObjectPrint[] = [];
  const accounts = await session.query(`
    SELECT User AS user, Host AS host, COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) AS role
    FROM mysql.global_priv WHERE User <> '${TWIN_USER}' ORDER BY 1, 2`);
  for (const { user, host, role } of accounts) {
    const isRole = role !== '0';
    const who = accountName(user ?? '', host ?? '', isRole);
    const lines: string[] = [];
    const gather = async (show: string): Promise<void> => {
      for (const row of await session.query(show)) lines.push(withoutPassword(Object.values(row)[0] ?? ''));
    };
    if (!isRole) await gather(`SHOW CREATE USER ${who}`);
    await gather(`SHOW GRANTS FOR ${who}`);
    const name = isRole ? (user ?? '') : `${user}@${host}`;
    found.push({ kind: isRole ? 'role' : 'user', database: '', name, definition: lines.sort().join('; ') });
  }
  return found;
}

/** PUBLIC stands for everybody and has no quotes. */
export function accountName(user: string, host: string, isRole: boolean): string {
  if (!isRole) return `${quoteText(user)}@${quoteText(host)}`;
  return user === 'PUBLIC' ? user : quoteName(user);
}

const withoutPassword = (line: string): string =>
  line.replace(/IDENTIFIED (?:BY|VIA|WITH) .*?(?= REQUIRE | WITH | PASSWORD EXPIRE| ACCOUNT |$)/g, (text) => {
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 32);
    return `IDENTIFIED AS sha256:${digest}`;
  });
