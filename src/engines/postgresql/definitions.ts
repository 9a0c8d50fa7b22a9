import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { Print, Scope } from './fingerprint.ts';
import { CLUSTER_OBJECTS, DATABASE_OBJECTS, PASSWORDS } from './objects.ts';
import { type Session, sqlStateOf } from './session.ts';

/** Everything that changes how a value is printed is fixed, so that equal data gives equal text on both sides. */
export const FIXED = `SET search_path = pg_catalog; SET row_security = off; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET statement_timeout = 0`;

const INVALID = `
SELECT n.nspname || '.' || c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relpersistence <> 't'`;

/** Roles, databases, tablespaces and what hangs on them. */
export async function clusterPrints(session: Session, { kind: scope, database }: Scope): Promise<readonly Print[]> {
  const ofAnother = ({ kind, name }: Print): boolean =>
    (kind === 'database' && name !== database) ||
    (kind === 'shared comment' && name.startsWith('database ') && name !== `database ${database}`) ||
    (kind === 'setting' && !name.startsWith(`${database}/`) && !name.startsWith('all/'));
  const [may] = await session.query("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS passwords");
  const queries = [...CLUSTER_OBJECTS, ...(may?.passwords === 't' ? [PASSWORDS] : [])];
  return (await definitions(session, queries, '')).filter(
    (it) => !(scope === 'dump' && it.kind === 'prepared transaction') && !(database !== undefined && ofAnother(it)),
  );
}

/** The definitions of one database. */
export async function databasePrints(
  session: Session,
  { kind: scope }: Scope,
  excluded: Reason[],
): Promise<readonly Print[]> {
  const found = await definitions(session, DATABASE_OBJECTS, session.database);
  if (scope === 'files') return found;
  const invalid = new Set<string>();
  for (const { name } of await session.query(INVALID)) {
    invalid.add(name ?? '');
    const text = `${session.database}.${name} is an index that is not valid: a dump leaves it out`;
    excluded.push({ code: 'invalid-index', text });
  }
  return found.filter(({ kind, name }) => !((kind === 'index' || kind === 'relation') && invalid.has(name)));
}

async function definitions(session: Session, queries: readonly string[], database: string): Promise<readonly Print[]> {
  await session.query(FIXED);
  const found: Print[] = [];
  for (const sql of queries) {
    for (const row of await session.query(sql).catch(dropped(session)))
      found.push({ kind: row.kind ?? '', database, name: row.name ?? '', definition: row.definition ?? '' });
  }
  return found;
}

/** The server's own words for an object that this snapshot still sees and that is gone (SQLSTATE internal_error). */
const dropped =
  ({ database }: Session) =>
  (cause: unknown): never => {
    if (sqlStateOf(cause) !== 'XX000') throw cause;
    const text = `In database ${database} something was dropped right after the point, before its definition was read: ${messageOf(cause)}.`;
    throw new StillpointError('source-changed', text, { cause });
  };
