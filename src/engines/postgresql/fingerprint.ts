import { Readable } from 'node:stream';
import type { Reason } from '../../model/level.ts';
import { CLUSTER_OBJECTS, DATABASE_OBJECTS } from './objects.ts';
import type { CutSequences } from './sequences.ts';
import { quoteName, type Session } from './session.ts';

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
      readonly kind: 'sequence';
      readonly database: string;
      readonly name: string;
      readonly low: string;
      readonly high: string;
    }
  | {
      readonly kind: 'large objects';
      readonly database: string;
      readonly name: string;
      readonly rows: number;
      readonly sum: string;
    }
  | { readonly kind: string; readonly database: string; readonly name: string; readonly definition: string };

/** Everything that changes how a value is printed is fixed, so that equal data gives equal text on both sides. */
const FIXED = `SET search_path = pg_catalog; SET row_security = off; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET statement_timeout = 0`;

/** Rows that are stored here: tables, partitions and filled materialized views. Foreign tables hold none, unlogged ones keep none. */
const TABLES = `
SELECT n.nspname AS schema, c.relname AS name, c.relpersistence AS persistence
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind = 'r' OR (c.relkind = 'm' AND c.relispopulated)) AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)' ORDER BY 1, 2`;

const FOREIGN = `
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' ORDER BY 1, 2`;

const LARGE_OBJECTS = `
SELECT count(*) AS rows, coalesce(sum(('x' || substr(md5(loid || ':' || pageno || ':' || encode(data, 'hex')), 1, 16))::bit(64)::bigint::numeric), 0) AS sum
FROM pg_largeobject`;

/**
 * The fingerprint as NDJSON, read in the sessions' own snapshots. A table's sum adds 64 bits of the MD5 of each row's
 * text: independent of row order, exact to the row. The row alias is one that no column will have, because `r::text`
 * would hash a *column* named r.
 */
export function fingerprint(sessions: readonly Session[], sequences: CutSequences, excluded: Reason[]): Readable {
  return Readable.from(lines(sessions, sequences, excluded), { objectMode: false });
}

async function* lines(
  sessions: readonly Session[],
  sequences: CutSequences,
  excluded: Reason[],
): AsyncGenerator<string> {
  for await (const print of prints(sessions, sequences, excluded)) yield `${JSON.stringify(print)}\n`;
}

/** Every print of every database; what cannot be in a physical copy is pushed to `excluded` by name. */
export async function* prints(
  sessions: readonly Session[],
  sequences: CutSequences,
  excluded: Reason[],
): AsyncGenerator<Print> {
  const [first] = sessions;
  if (first) {
    await first.query(FIXED);
    yield* objects(first, CLUSTER_OBJECTS, '');
  }
  for (const session of sessions) {
    await session.query(FIXED);
    yield* objects(session, DATABASE_OBJECTS, session.database);
    yield* tables(session, excluded);
    for (const [name, { low, high }] of sequences.get(session.database) ?? [])
      yield { kind: 'sequence', database: session.database, name, low, high };
    const [large] = await session.query(LARGE_OBJECTS);
    yield {
      kind: 'large objects',
      database: session.database,
      name: 'large objects',
      rows: Number(large?.rows),
      sum: large?.sum ?? '',
    };
  }
}

async function* objects(session: Session, queries: readonly string[], database: string): AsyncGenerator<Print> {
  for (const sql of queries) {
    for (const row of await session.query(sql))
      yield { kind: row.kind ?? '', database, name: row.name ?? '', definition: row.definition ?? '' };
  }
}

async function* tables(session: Session, excluded: Reason[]): AsyncGenerator<Print> {
  const { database } = session;
  for (const row of await session.query(FOREIGN)) {
    excluded.push({
      code: 'foreign-table',
      text: `${database}.${row.schema}.${row.name} is a foreign table: its rows are on another server`,
    });
  }
  for (const row of await session.query(TABLES)) {
    const name = `${row.schema}.${row.name}`;
    if (row.persistence === 'u') {
      excluded.push({ code: 'unlogged', text: `${database}.${name} is unlogged: it is empty after a restore` });
      continue;
    }
    const [sum] = await session.query(`
      SELECT count(*) AS rows, coalesce(sum(('x' || substr(md5((stillpoint_row.*)::text), 1, 16))::bit(64)::bigint::numeric), 0) AS sum
      FROM ONLY ${quoteName(row.schema ?? '', row.name ?? '')} stillpoint_row`);
    yield { kind: 'table', database, name, rows: Number(sum?.rows), sum: sum?.sum ?? '' };
  }
}
