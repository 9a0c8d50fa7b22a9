import { StillpointError } from '../../model/errors.ts';
import { fill, quoteName, Raw, type Session } from './session.ts';

/** Longer than any deadlock_timeout that is of use. */
const PATIENCE = 10_000;

const WORKING = `
SELECT l.pid, n.nspname AS schema, c.relname AS name, left(a.query, 100) AS query, a.query LIKE '%(to prevent wraparound)' AS must
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.backend_type = 'autovacuum worker' AND a.datname = current_database() AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
  AND c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(catalog|toast|temp)'`;

/**
 * Autovacuum has a lock that a SHARE lock waits for. The server ends it for whoever has waited for deadlock_timeout, but
 * never when it prevents wraparound (manual 25.1.6, storage/lmgr/proc.c, ProcSleep). So we wait for that before writers
 * have to: in a mode that does not stop them. Throws `hold-refused` for one that does not give way.
 */
export async function outwaitAutovacuum(holder: Session, statements: Readonly<Record<string, string>>): Promise<void> {
  const working = await holder.query(WORKING);
  const stays = working.find((it) => it.must === 't');
  if (stays) {
    throw new StillpointError(
      'hold-refused',
      `In database ${holder.database} session ${stays.pid}, an autovacuum that prevents wraparound, does not give way: ${stays.query}.`,
      { next: `Run it again when it is done: SELECT * FROM pg_stat_progress_vacuum WHERE pid = ${stays.pid}` },
    );
  }
  if (working.length === 0) return;
  const tables = new Raw(working.map((it) => `ONLY ${quoteName(it.schema ?? '', it.name ?? '')}`).join(', '));
  const wait = `BEGIN; SET LOCAL statement_timeout = ${PATIENCE}; ${fill(statements.outwait, { tables })}`;
  // In vain: then the attempt to hold says who is in the way.
  await holder.query(wait).catch(() => undefined);
  await holder.query(fill(statements.resume));
}
