import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Millis } from '../../model/time.ts';
import type { Hold, Witness } from '../capture.ts';
import { fill, Raw, type Session } from './session.ts';
import { tablesToLock } from './tables.ts';

/** What a hold needs: one session per database to lock in, and one beside them to look and flush with. */
export interface HoldSessions {
  readonly holders: readonly Session[];
  readonly control: Session;
  readonly statements: Readonly<Record<string, string>>;
  /** How long one attempt may make writers wait. */
  readonly acquire: Millis;
  readonly limit: Millis;
}

/** Everything about a hold that can be done before it: limits set on the server, tables listed. */
export interface ReadyHold {
  readonly sessions: HoldSessions;
  readonly locks: readonly { readonly list: string; readonly count: number }[];
}

const ATTEMPTS = 5;

/** At most half of deadlock_timeout, so that in a deadlock we give up before the server looks for a victim among the application's sessions. */
export const acquireBudget = (deadlockTimeout: Millis): Millis => Math.min(500, Math.floor(deadlockTimeout / 2));

/** Sets the server's limits on the holding sessions and lists what to lock. Holds nothing; writers notice nothing. */
export async function readyHold(sessions: HoldSessions): Promise<ReadyHold> {
  const { limit, acquire, statements } = sessions;
  return {
    sessions,
    locks: await Promise.all(
      sessions.holders.map(async (holder) => {
        if (holder.lost.aborted)
          throw new StillpointError(
            'hold-refused',
            `The session for database ${holder.database} was ended by the server.`,
            { cause: holder.lost.reason },
          );
        await holder.query(fill(statements.guardHold, { limit, acquire }));
        return tablesToLock(holder);
      }),
    ),
  };
}

/**
 * Locks every user table of every database in SHARE mode: waits for writers in flight, then blocks them (manual 13.3.1).
 * An attempt that does not get all its locks within the acquire budget lets go of all and tries again after a random
 * pause; the stall of all attempts together stays below the limit.
 */
export async function holdTables(ready: ReadyHold, run: RunId): Promise<Hold> {
  const { sessions } = ready;
  const { holders, statements, acquire, limit } = sessions;
  let { locks } = ready;
  let stalled = 0;
  let culprit = '';
  for (let attempt = 1; attempt <= ATTEMPTS && stalled + acquire < limit; attempt++) {
    if (attempt > 1) {
      await sleep(200 + Math.random() * 400);
      ({ locks } = await readyHold(sessions));
    }
    const start = performance.now();
    const watcher = findCulprit(sessions);
    const results = await Promise.allSettled(
      holders.map((holder, at) => lock(holder, locks[at]?.list ?? '', statements)),
    );
    const failed = results.find((it) => it.status === 'rejected');
    if (!failed) {
      watcher.stop();
      return held(
        sessions,
        run,
        locks.reduce((sum, it) => sum + it.count, 0),
      );
    }
    await Promise.all(holders.map((holder) => letGo(holder, statements)));
    stalled += performance.now() - start;
    culprit = (await watcher.found) ?? (culprit || messageOf(failed.reason));
  }
  throw new StillpointError(
    'hold-refused',
    `Writes could not be held within ${acquire} ms, ${ATTEMPTS} times in a row: ${culprit}.`,
  );
}

async function lock(holder: Session, list: string, statements: Readonly<Record<string, string>>): Promise<void> {
  // One round trip: the transaction, its locks, and nothing afterwards, or the idle time-out would start anew.
  if (list !== '') await holder.query(`BEGIN; ${fill(statements.hold, { tables: new Raw(list) })}`);
}

async function letGo(holder: Session, statements: Readonly<Record<string, string>>): Promise<void> {
  if (!holder.lost.aborted) await holder.query(fill(statements.resume));
}

/** Asks, half-way through the wait, who is in the way. */
function findCulprit(sessions: HoldSessions): { readonly found: Promise<string | undefined>; stop(): void } {
  const over = new AbortController();
  const pids = sessions.holders.map((it) => it.pid).join(', ');
  const look = async (): Promise<string | undefined> => {
    await sleep(sessions.acquire / 2, undefined, { signal: over.signal });
    const [row] = await sessions.control.query(`
      SELECT b.pid, b.usename, b.application_name, b.state, left(b.query, 80) AS query, a.datname,
             round(extract(epoch FROM clock_timestamp() - b.xact_start)::numeric, 1) AS seconds
      FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) WITH ORDINALITY w(pid, n)
      LEFT JOIN pg_stat_activity b ON b.pid = w.pid WHERE a.pid IN (${pids}) ORDER BY b.xact_start NULLS LAST LIMIT 1`);
    if (!row) return undefined;
    if (row.pid === null) return `a prepared transaction holds locks in database ${row.datname}`;
    return `session ${row.pid} (${row.usename}, ${row.application_name || 'no name'}, ${row.state}) holds locks in database ${row.datname} for ${row.seconds} s: ${row.query}`;
  };
  // Looking is a courtesy: where it fails, the lock's own error tells.
  return { found: look().catch(() => undefined), stop: () => over.abort() };
}

function held(sessions: HoldSessions, run: RunId, expected: number): Hold {
  const { holders, control, statements, limit } = sessions;
  const timer = new AbortController();
  const expiry = setTimeout(
    () => timer.abort(new StillpointError('hold-lost', `The hold passed its limit of ${limit} ms.`)),
    limit,
  );
  const lost = AbortSignal.any([timer.signal, ...holders.map((it) => it.lost)]);
  const pids = holders.map((it) => it.pid).join(', ');
  let resumed: Promise<void> | undefined;
  const resume = (): Promise<void> => {
    resumed ??= (async () => {
      clearTimeout(expiry);
      // A session that is lost holds nothing: its locks ended with it.
      await Promise.all(holders.map((holder) => letGo(holder, statements).catch(() => holder[Symbol.asyncDispose]())));
    })();
    return resumed;
  };
  return {
    lost,
    async flush() {
      await control.query(fill(statements.flush, { run }));
    },
    async witness(): Promise<Witness> {
      const [row] = await control.query(`
        SELECT (SELECT string_agg('pid ' || pid || ' since ' || backend_start, ', ' ORDER BY pid) FROM pg_stat_activity WHERE pid IN (${pids})) AS session,
               (SELECT count(*) FROM pg_locks WHERE pid IN (${pids}) AND mode = 'ShareLock' AND locktype = 'relation' AND granted) AS locks,
               (SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END || ' on timeline ' || timeline_id FROM pg_control_checkpoint()) AS term,
               (${fill(statements.witness)}) AS transactions`);
      return {
        session: row?.session ?? '',
        holding: Number(row?.locks) >= expected && !lost.aborted,
        transactions: row?.transactions ?? '',
        term: row?.term ?? '',
      };
    },
    resume,
    [Symbol.asyncDispose]: resume,
  };
}
