import { Readable } from 'node:stream';
import type { Reason } from '../../model/level.ts';
import { clusterPrints, databasePrints, FIXED } from './definitions.ts';
import type { CutSequences } from './sequences.ts';
import { quoteName, type Row, type Session } from './session.ts';

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
  | { readonly kind: string; readonly database: string; readonly name: string; readonly definition: string }
  | Unsettled;

/** An object whose state at the cut cannot be told, because somebody changed it around then: it is not compared. */
export interface Unsettled {
  readonly kind: string;
  readonly database: string;
  readonly name: string;
  readonly unsettled: true;
}

/** What a backup can hold: files hold everything as it lies on disk, a dump what SQL can say of some databases. */
export interface Scope {
  readonly kind: 'files' | 'dump';
  /** The only database that is in it; absent: all. */
  readonly database?: string;
}

/** Rows that are stored here: tables, partitions and filled materialized views. Foreign tables hold none. */
const TABLES = `
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence, c.oid, c.relfilenode AS file,
       (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND NOT c.oid = ANY (coalesce(e.extconfig, '{}'))) AS extension
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind = 'r' OR (c.relkind = 'm' AND c.relispopulated)) AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)' ORDER BY 1, 2`;

const FOREIGN = `
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' ORDER BY 1, 2`;

/** By their content in parts, not by their pages: a restore fills holes and joins pages that were written piece by piece. */
const LARGE_OBJECTS = `
WITH RECURSIVE part (loid, at, sum, size) AS (
  SELECT m.oid, 0::bigint, p.* FROM pg_largeobject_metadata m, LATERAL (SELECT md5(data), length(data) FROM lo_get(m.oid, 0, 262144) data) p
  UNION ALL
  SELECT o.loid, o.at + 262144, p.* FROM part o, LATERAL (SELECT md5(data), length(data) FROM lo_get(o.loid, o.at + 262144, 262144) data) p WHERE o.size = 262144)
SELECT count(DISTINCT loid) AS rows, coalesce(sum(('x' || substr(md5(loid || ':' || at || ':' || size || ':' || sum), 1, 16))::bit(64)::bigint::numeric), 0) AS sum FROM part`;

/**
 * The fingerprint as NDJSON, read in the sessions' own snapshots. A table's sum adds 64 bits of the MD5 of each row's
 * text: independent of row order, exact to the row. The row alias is one that no column will have, because `r::text`
 * would hash a *column* named r.
 */
export function fingerprint(
  sessions: readonly Session[],
  sequences: CutSequences,
  excluded: Reason[],
  scope: Scope = { kind: 'files' },
  early: readonly Print[] = [],
): Readable {
  return asLines(prints(sessions, sequences, excluded, scope, early));
}

export function asLines(all: AsyncIterable<Print>): Readable {
  const lines = async function* (): AsyncGenerator<string> {
    for await (const print of all) yield `${JSON.stringify(print)}\n`;
  };
  return Readable.from(lines(), { objectMode: false });
}

/**
 * Every print of every database; what the backup cannot hold is pushed to `excluded` by name. `early` are definitions
 * that were read before; they are not read again.
 */
export async function* prints(
  sessions: readonly Session[],
  sequences: CutSequences,
  excluded: Reason[],
  scope: Scope,
  early: readonly Print[] = [],
): AsyncGenerator<Print> {
  yield* early;
  const [first] = sessions;
  if (early.length === 0) {
    if (first) yield* await clusterPrints(first, scope);
    // Of all databases before any table: what is dropped meanwhile cannot be described any more.
    for (const session of sessions) yield* await databasePrints(session, scope, excluded);
  }
  for (const session of sessions) {
    await session.query(FIXED);
    yield* tables(session, excluded, scope);
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

async function* tables(session: Session, excluded: Reason[], { kind: scope }: Scope): AsyncGenerator<Print> {
  const { database } = session;
  for (const row of await session.query(FOREIGN)) {
    excluded.push({
      code: 'foreign-table',
      text: `${database}.${row.schema}.${row.name} is a foreign table: its rows are on another server`,
    });
  }
  for (const row of await session.query(TABLES)) {
    const name = `${row.schema}.${row.name}`;
    if (scope === 'files' && row.persistence === 'u') {
      excluded.push({ code: 'unlogged', text: `${database}.${name} is unlogged: it is empty after a restore` });
      continue;
    }
    if (scope === 'dump' && row.kind === 'm') {
      const text = `${database}.${name} is a materialized view: a restore computes its rows anew`;
      excluded.push({ code: 'materialized-view', text });
      continue;
    }
    if (scope === 'dump' && row.extension != null) {
      const text = `${database}.${name} belongs to the extension ${row.extension}, which fills it anew`;
      excluded.push({ code: 'extension-table', text });
      continue;
    }
    if (scope === 'files' && (await isRewritten(session, row))) {
      yield { kind: 'table', database, name, unsettled: true };
      continue;
    }
    const [sum] = await session.query(`
      SELECT count(*) AS rows, coalesce(sum(('x' || substr(md5((stillpoint_row.*)::text), 1, 16))::bit(64)::bigint), 0) AS sum
      FROM ONLY ${quoteName(row.schema ?? '', row.name ?? '')} stillpoint_row`);
    // Again, because it may have happened while it was read.
    yield scope === 'files' && (await isRewritten(session, row))
      ? { kind: 'table', database, name, unsettled: true }
      : { kind: 'table', database, name, rows: Number(sum?.rows), sum: sum?.sum ?? '' };
  }
}

/** Dropped, or put into another file since the snapshot: what was truncated is empty for older snapshots, too (manual 13.6). */
async function isRewritten(session: Session, { oid, file }: Row): Promise<boolean> {
  const [now] = await session.query(`SELECT pg_relation_filenode(${oid}) AS file`);
  return now?.file !== file;
}
