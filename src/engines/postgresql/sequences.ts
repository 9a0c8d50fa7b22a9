import type { Row, Session } from './session.ts';

/** Where each sequence of a database stood, by `schema.name`. */
export type Sequences = ReadonlyMap<
  string,
  { readonly value: bigint; readonly increment: bigint; readonly cache: bigint }
>;
/** Between what values each sequence of each database may stand after recovery to the cut. */
export type CutSequences = ReadonlyMap<string, ReadonlyMap<string, { readonly low: string; readonly high: string }>>;

/** How many values nextval writes to the log in advance (src/backend/commands/sequence.c, SEQ_LOG_VALS). */
const LOGGED_AHEAD = 32n;

/** A sequence that was never called stands one step before its start. */
export const SEQUENCES = `
SELECT n.nspname || '.' || c.relname AS name, coalesce(pg_sequence_last_value(s.seqrelid), s.seqstart - s.seqincrement) AS value, s.seqincrement AS increment, s.seqcache AS cache
FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'p' ORDER BY 1`;

/** Sequences as they stand now: nextval is not transactional, so no snapshot pins them and no table lock stops them. */
export async function readSequences(sessions: readonly Session[]): Promise<ReadonlyMap<string, Sequences>> {
  const all = await Promise.all(
    sessions.map(async (it) => [it.database, sequencesOf(await it.query(await it.planned(SEQUENCES)))] as const),
  );
  return new Map(all);
}

/** Of the rows of `SEQUENCES`. */
export function sequencesOf(rows: readonly Row[]): Sequences {
  const values = rows.map((row) => {
    const read = (column: string): bigint => BigInt(row[column] ?? '0');
    return [row.name ?? '', { value: read('value'), increment: read('increment'), cache: read('cache') }] as const;
  });
  return new Map(values);
}

/**
 * The bounds for a cut that lies between two readings: what was read before, and what may have been logged by the second.
 * A dump reads the value itself: there nothing is logged ahead.
 */
export function between(
  before: ReadonlyMap<string, Sequences>,
  after: ReadonlyMap<string, Sequences>,
  kind: 'files' | 'dump' = 'files',
): CutSequences {
  const ahead = (cache: bigint): bigint => (kind === 'files' ? LOGGED_AHEAD + cache : 0n);
  return new Map(
    [...before].map(([database, sequences]) => [
      database,
      new Map(
        [...sequences].map(([name, { value, increment, cache }]) => {
          const last = after.get(database)?.get(name)?.value ?? value;
          return [name, { low: String(value), high: String(last + ahead(cache) * increment) }];
        }),
      ),
    ]),
  );
}

/** One reading as a cut of its own: for what a restored server holds. */
export const asCut = (read: ReadonlyMap<string, Sequences>): CutSequences => between(read, read);
