import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './session.ts';

/** What was seen while our sessions waited for locks. */
export interface Waited {
  /** Who was in the way, for a person. */
  readonly culprit?: string;
  /** OIDs of the tables that were waited for: they are locked first the next time. */
  readonly tables: readonly string[];
}

const FIRST_LOOK = 20;
const LOOK_EVERY = 40;

/**
 * Looks, from outside, at sessions that wait for their locks, until `stop`. Whoever holds what we wait for and itself
 * waits for what we hold would never get on: then our sessions are cancelled at once, long before the server looks for
 * a victim (deadlock_timeout), so that the application is never chosen and hardly waits.
 */
export function watchWait(waiting: readonly Session[], control: Session): { stop(): Promise<Waited> } {
  const over = new AbortController();
  const pids = waiting.map((it) => it.pid).join(', ');
  const tables = new Set<string>();
  let culprit: string | undefined;

  const look = async (): Promise<void> => {
    const rows = await control.query(`
      SELECT l.relation, a.datname, b.pid, b.usename, b.backend_type, b.application_name, b.state, left(b.query, 80) AS query,
             round(extract(epoch FROM clock_timestamp() - b.xact_start)::numeric, 1) AS seconds,
             pg_blocking_pids(b.pid) && ARRAY[${pids}] AS crossed,
             (SELECT string_agg(format('session %s (%s: %s)', o.pid, o.state, left(o.query, 60)), ', ') FROM pg_stat_activity o
              WHERE o.pid = ANY (pg_blocking_pids(b.pid)) AND o.pid <> ALL (ARRAY[${pids}])) AS behind
      FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid, unnest(pg_blocking_pids(l.pid)) w(pid) LEFT JOIN pg_stat_activity b ON b.pid = w.pid
      WHERE l.pid IN (${pids}) AND NOT l.granted ORDER BY b.xact_start NULLS LAST`);
    for (const row of rows) if (row.relation) tables.add(row.relation);
    const [row] = rows;
    if (row) {
      culprit =
        row.pid === null
          ? `a prepared transaction holds locks in database ${row.datname}`
          : `session ${row.pid} (${row.usename ?? row.backend_type}, ${row.application_name || 'no name'}, ${row.state}) holds locks in database ${row.datname} for ${row.seconds} s: ${row.query}${row.behind === null ? '' : `; it waits itself for ${row.behind}`}`;
    }
    if (rows.some((it) => it.crossed === 't'))
      await control.query(`SELECT pg_cancel_backend(pid) FROM unnest(ARRAY[${pids}]) pid`);
  };
  const looking = (async () => {
    await sleep(FIRST_LOOK, undefined, { signal: over.signal });
    for (;;) {
      await look();
      await sleep(LOOK_EVERY, undefined, { signal: over.signal });
    }
  })().catch(() => {
    // Stopped; or the looking failed, and then the lock's own error tells what is wrong.
  });
  return {
    async stop() {
      over.abort();
      await looking;
      return { tables: [...tables], ...(culprit === undefined ? {} : { culprit }) };
    },
  };
}
