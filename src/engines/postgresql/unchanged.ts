import { StillpointError } from '../../model/errors.ts';
import type { Session } from './session.ts';

/**
 * pg_dump reads tables as of its snapshot, but definitions partly as they are now, and a table that was truncated since
 * the snapshot is empty for everybody (manual 13.6, caveats). So once all of it is read or locked, nothing of it may have
 * changed: a table must still be in the file that the snapshot knows, and no definition that the snapshot sees may have
 * been replaced by a transaction that committed (its row's xmax). Asked in the very session of the snapshot.
 */
const USER = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)'";

const REWRITTEN = `
SELECT 'table' AS kind, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND ${USER} AND c.relfilenode <> 0
  AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode ORDER BY 2 LIMIT 3`;

/** Each catalog's rows that were replaced or removed: their transaction, kind and name. */
const REPLACED: readonly string[] = [
  `SELECT p.xmax, 'function', n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${USER}`,
  `SELECT t.xmax, 'type', n.nspname || '.' || t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${USER}`,
  `SELECT r.xmax, 'view', n.nspname || '.' || c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER}`,
  `SELECT x.xmax, 'constraint', n.nspname || '.' || x.conname FROM pg_constraint x JOIN pg_namespace n ON n.oid = x.connamespace WHERE ${USER}`,
  `SELECT i.xmax, 'index', n.nspname || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER}`,
  `SELECT t.xmax, 'trigger', n.nspname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER}`,
  `SELECT p.xmax, 'policy', n.nspname || '.' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${USER}`,
  `SELECT a.xmax, 'column', n.nspname || '.' || c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'c') AND ${USER}`,
  `SELECT e.xmax, 'value of an enum', e.enumlabel FROM pg_enum e`,
  `SELECT s.xmax, 'statistics', n.nspname || '.' || s.stxname FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE ${USER}`,
  `SELECT n.xmax, 'schema', n.nspname FROM pg_namespace n WHERE ${USER}`,
];

/** xmax has 32 bits; the full number is the one nearest to now. An aborted or unfinished transaction changed nothing. */
const CHANGED = `
WITH now AS (SELECT txid_snapshot_xmax(txid_current_snapshot()) AS top),
     touched (xmax, kind, name) AS (${REPLACED.join('\n  UNION ALL ')}),
     dated AS (SELECT kind, name, (top & ~4294967295) + xmax::text::bigint AS near, top FROM touched, now WHERE xmax::text <> '0')
SELECT kind, name FROM dated
WHERE txid_status(CASE WHEN near - top > 2147483648 THEN near - 4294967296 WHEN top - near > 2147483648 THEN near + 4294967296 ELSE near END) = 'committed'
ORDER BY 1, 2 LIMIT 3`;

/** Throws `source-changed`, naming what was changed. */
export async function checkUnchanged(reader: Session): Promise<void> {
  const rows = [...(await reader.query(REWRITTEN)), ...(await reader.query(CHANGED))];
  if (rows.length === 0) return;
  const named = rows.map((row) => `${row.kind} ${row.name}`).join(', ');
  throw new StillpointError(
    'source-changed',
    `In database ${reader.database} somebody changed ${named} after the point of this backup and before it was read: the dump could hold it half old, half new, or empty.`,
    { next: 'Run it again when the change of the schema is done.' },
  );
}
