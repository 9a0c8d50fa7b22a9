import { messageOf, StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Millis } from '../../model/time.ts';
import type { Hold, Witness } from '../capture.ts';
import { lease } from '../lease.ts';
import { outwaitAutovacuum } from './autovacuum.ts';
import { fill, Raw, type Session, sqlStateOf } from './session.ts';
import { type LockTarget, tablesToLock } from './tables.ts';
import { watchWait } from './waiting.ts';

/** SQLSTATE query_canceled. */
const isCancelled = (cause: unknown): boolean => sqlStateOf(cause) === '57014';

/** What a hold needs: one session per database to lock in, and one beside them to look and flush with. */
export interface HoldSessions {
  readonly holders: readonly Session[];
  readonly control: Session;
  readonly statements: Readonly<Record<string, string>>;
  /** How long one attempt may make writers wait. */
  readonly acquire: Millis;
  readonly limit: Millis;
}

/**
 * At most half of deadlock_timeout, so that in a deadlock we give up before the server looks for a victim among the
 * application's sessions; and half of what a hold may take in all.
 */
export const acquireBudget = (settings: Readonly<Record<string, string>>, limit: Millis): Millis =>
  Math.floor(Math.min(1000, Number(settings.deadlock_timeout ?? 1000), limit) / 2);

/**
 * Locks every user table of every database in SHARE mode: waits for writers in flight, then blocks them (manual 13.3.1).
 * An attempt that does not get all its locks within the acquire budget, or that waits crosswise with a writer, lets go
 * of all. The tables that it waited for come first the next time: so the order becomes the one in which the application
 * takes them, and its transactions can end.
 */
export class TableHold {
  readonly #sessions: HoldSessions;
  /** What each holder locks, in this order. */
  #locks: readonly (readonly LockTarget[])[] = [];
  /** OIDs of the tables that were waited for, and after them the order of the last attempt. */
  #order: readonly string[] = [];

  constructor(sessions: HoldSessions) {
    this.#sessions = sessions;
  }

  /** Sets the server's limits on the holding sessions and lists what to lock. Holds nothing; writers notice nothing. */
  async ready(): Promise<void> {
    const { holders, limit, acquire, statements } = this.#sessions;
    const ranks = new Map([...new Set(this.#order)].map((oid, rank) => [oid, rank]));
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
      await outwaitAutovacuum(holder, statements);
      return (await tablesToLock(holder)).toSorted((a, b) => rank(a) - rank(b));
    };
    this.#locks = await Promise.all(holders.map(ready));
    // Once before it counts: the first run of a query fills the session's catalog caches, which takes ten times as long.
    await this.#witness();
  }

  /** One attempt; see `Capture.hold`. */
  async hold(room: Millis): Promise<Hold> {
    const { holders, control, acquire } = this.#sessions;
    const since = performance.now();
    const watch = watchWait(holders, control);
    const results = await Promise.allSettled(holders.map((holder, at) => this.#lock(holder, this.#locks[at] ?? [])));
    const failed = results.find((it) => it.status === 'rejected');
    if (!failed) {
      void watch.stop();
      return this.#held(since, room);
    }
    await Promise.all(this.#locking().map((holder) => this.#letGo(holder)));
    const waited = await watch.stop();
    this.#order = [...waited.tables, ...this.#locks.flat().map((it) => it.oid)];
    const why = waited.culprit ?? messageOf(failed.reason);
    throw new StillpointError('hold-refused', `Writes could not be held within ${acquire} ms: ${why}.`, {
      cause: failed.reason,
    });
  }

  /** Also what an unheld source needs. */
  async flush(run: RunId): Promise<void> {
    await this.#sessions.control.query(fill(this.#sessions.statements.flush, { run }));
  }

  /** Those in whose databases there is something to lock. */
  #locking(): readonly Session[] {
    return this.#sessions.holders.filter((_, at) => this.#locks[at]?.length !== 0);
  }

  async #lock(holder: Session, targets: readonly LockTarget[]): Promise<void> {
    if (targets.length === 0) return;
    // One round trip: the transaction, its locks, and nothing afterwards, or the idle time-out would start anew.
    const tables = new Raw(targets.map((it) => it.sql).join(', '));
    await holder.query(`BEGIN; ${fill(this.#sessions.statements.hold, { tables })}`);
  }

  async #letGo(holder: Session): Promise<void> {
    if (holder.lost.aborted) return;
    const resume = fill(this.#sessions.statements.resume);
    await holder.query(resume).catch((cause: unknown) => {
      // What cancels a crosswise wait may come when the wait is over, and then it hits this statement.
      if (!isCancelled(cause)) throw cause;
      return holder.query(resume);
    });
  }

  #held(since: Millis, room: Millis): Hold {
    const { holders } = this.#sessions;
    // A session that is lost holds nothing: its locks ended with it.
    const letGo = (holder: Session): Promise<void> => this.#letGo(holder).catch(() => holder[Symbol.asyncDispose]());
    const release = async (): Promise<void> => void (await Promise.all(this.#locking().map(letGo)));
    const held = lease({ since, room, sessions: holders.map((it) => it.lost), release });
    return {
      ...held,
      witness: async () => {
        const witness = await this.#witness();
        return { ...witness, holding: witness.holding && !held.lost.aborted };
      },
      [Symbol.asyncDispose]: held.resume,
    };
  }

  /** pg_stat_activity joins names to what this function tells, which takes as long as all the rest. */
  async #witness(): Promise<Witness> {
    const { holders, control, statements } = this.#sessions;
    const pids = holders.map((it) => it.pid).join(', ');
    const look = await control.planned(`
        SELECT (SELECT string_agg('pid ' || pid || ' since ' || backend_start, ', ' ORDER BY pid) FROM pg_stat_get_activity(NULL) WHERE pid IN (${pids})) AS session,
               (SELECT count(*) FROM pg_locks WHERE pid IN (${pids}) AND mode = 'ShareLock' AND locktype = 'relation' AND granted) AS locks,
               (SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END || ' on timeline ' || timeline_id FROM pg_control_checkpoint()) AS term,
               (${fill(statements.witness)}) AS transactions`);
    const [row] = await control.query(look);
    return {
      session: row?.session ?? '',
      holding: Number(row?.locks) >= this.#locks.flat().length,
      transactions: row?.transactions ?? '',
      term: row?.term ?? '',
    };
  }
}
