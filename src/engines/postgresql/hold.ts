import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Millis } from '../../model/time.ts';
import type { Hold, Witness } from '../capture.ts';
import { fill, Raw, type Session } from './session.ts';
import { type LockTarget, tablesToLock } from './tables.ts';
import { watchWait } from './waiting.ts';

/** What a hold needs: one session per database to lock in, and one beside them to look and flush with. */
export interface HoldSessions {
  readonly holders: readonly Session[];
  readonly control: Session;
  readonly statements: Readonly<Record<string, string>>;
  /** How long one attempt may make writers wait. */
  readonly acquire: Millis;
  readonly limit: Millis;
  /** After an attempt that was in vain: lets go of what else of ours may be in the way, and takes it again. */
  readonly between?: () => Promise<void>;
}

/** Everything about a hold that can be done before it: limits set on the server, tables listed. */
export interface ReadyHold {
  readonly sessions: HoldSessions;
  /** What each holder locks, in this order. */
  readonly locks: readonly (readonly LockTarget[])[];
}

const ATTEMPTS = 20;

/** At most half of deadlock_timeout, so that in a deadlock we give up before the server looks for a victim among the application's sessions. */
export const acquireBudget = (deadlockTimeout: Millis): Millis => Math.min(500, Math.floor(deadlockTimeout / 2));

/**
 * Sets the server's limits on the holding sessions and lists what to lock, tables of `order` (OIDs) in that order before
 * all others. Holds nothing; writers notice nothing.
 */
export async function readyHold(sessions: HoldSessions, order: readonly string[] = []): Promise<ReadyHold> {
  const { limit, acquire, statements } = sessions;
  const ranks = new Map([...new Set(order)].map((oid, rank) => [oid, rank]));
  const rank = ({ oid }: LockTarget): number => ranks.get(oid) ?? ranks.size;
  const ready = async (holder: Session): Promise<readonly LockTarget[]> => {
    if (holder.lost.aborted) {
      throw new StillpointError(
        'hold-refused',
        `The session for database ${holder.database} was ended by the server.`,
        { cause: holder.lost.reason },
      );
    }
    await holder.query(fill(statements.guardHold, { limit, acquire }));
    return (await tablesToLock(holder)).toSorted((a, b) => rank(a) - rank(b));
  };
  return { sessions, locks: await Promise.all(sessions.holders.map(ready)) };
}

/**
 * Locks every user table of every database in SHARE mode: waits for writers in flight, then blocks them (manual 13.3.1).
 * An attempt that does not get all its locks within the acquire budget, or that waits crosswise with a writer, lets go
 * of all. The tables that it waited for come first the next time: so the order becomes the one in which the application
 * takes them, and its transactions can end. The stall of all attempts together stays below the limit.
 */
export async function holdTables(ready: ReadyHold, run: RunId): Promise<Hold> {
  const { sessions } = ready;
  const { holders, control, statements, acquire, limit } = sessions;
  let { locks } = ready;
  let stalled = 0;
  let culprit = '';
  let attempt = 1;
  for (; attempt <= ATTEMPTS && stalled + acquire < limit; attempt++) {
    const start = performance.now();
    const watch = watchWait(holders, control);
    const results = await Promise.allSettled(holders.map((holder, at) => lock(holder, locks[at] ?? [], statements)));
    const failed = results.find((it) => it.status === 'rejected');
    if (!failed) {
      void watch.stop();
      return held(sessions, run, locks.flat().length, start);
    }
    await Promise.all(holders.map((holder) => letGo(holder, statements)));
    stalled += performance.now() - start;
    const waited = await watch.stop();
    culprit = waited.culprit ?? (culprit || messageOf(failed.reason));
    await sleep(20 + Math.random() * 80);
    await sessions.between?.();
    ({ locks } = await readyHold(sessions, [...waited.tables, ...locks.flat().map((it) => it.oid)]));
  }
  throw new StillpointError(
    'hold-refused',
    `Writes could not be held: ${attempt - 1} attempts of at most ${acquire} ms each were in vain; ${culprit}.`,
  );
}

async function lock(
  holder: Session,
  targets: readonly LockTarget[],
  statements: Readonly<Record<string, string>>,
): Promise<void> {
  if (targets.length === 0) return;
  // One round trip: the transaction, its locks, and nothing afterwards, or the idle time-out would start anew.
  const tables = new Raw(targets.map((it) => it.sql).join(', '));
  await holder.query(`BEGIN; ${fill(statements.hold, { tables })}`);
}

async function letGo(holder: Session, statements: Readonly<Record<string, string>>): Promise<void> {
  if (!holder.lost.aborted) await holder.query(fill(statements.resume));
}

function held(sessions: HoldSessions, run: RunId, expected: number, since: Millis): Hold {
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
    since,
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
