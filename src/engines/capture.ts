import type { ServerChange } from '../model/change.ts';
import type { Reason } from '../model/level.ts';
import type { SourceRecord } from '../model/manifest.ts';
import type { Position } from '../model/position.ts';
import type { Millis } from '../model/time.ts';
import type { Put } from '../repositories/repository.ts';
import type { Files } from '../runtimes/files.ts';

/**
 * One source on its way in: prepare, [hold], cut, finish, in this order, each once. Dispose undoes the rest, whenever it
 * is called, and leaves nothing on the server: no session, no slot, no backup mode.
 *
 * Capture and Hold are two things: writes are stopped for milliseconds, a point stays pinned as long as its stream takes.
 */
export interface Capture extends AsyncDisposable {
  /** Aborts when the point cannot be kept any more (session lost, WAL lost, space low); its reason is the error. */
  readonly lost: AbortSignal;
  /** Before the window, may take hours, writers unhindered: checkpoint, the fuzzy files of `copy`. */
  prepare(put: Put, signal: AbortSignal): Promise<void>;
  /**
   * Right before each attempt to hold, while nothing of the whole run is held: sets the server's own limits on the holding
   * sessions, lists what to lock, lets go of what of ours was in the way of the last attempt. Writers unhindered. Returns
   * what `flush` is going to change on the server that no session's end takes back; also called when it is not to be held.
   */
  ready(): Promise<readonly ServerChange[]>;
  /**
   * One attempt to stop writes, within the engine's acquire budget, for `room` at most (at most the run's hold limit); or
   * throws `hold-refused` (naming who is in the way) with nothing held, and may be asked again after `ready`.
   */
  hold(room: Millis): Promise<Hold>;
  /**
   * Makes every commit durable that was acknowledged before this call; writes may flow or be held. Called in the window
   * when all that is to be held is held. May be called again.
   */
  flush(): Promise<void>;
  /** In the window, milliseconds: pins the point (exported snapshots, restore point, LSN). Again only after a void cut. */
  cut(): Promise<Position>;
  /**
   * Asked after the last cut when writes were not held: why the cut is not one point; empty when the server itself shows
   * that no transaction ended meanwhile, or when the method needs no such proof.
   */
  still(): Promise<readonly Reason[]>;
  /**
   * After resume, may take hours: the rest of the log, the dump, or the files of the storage cut; then the fingerprint,
   * read at the pinned point. The record's `level` and `reasons` are the capture's own; `claim` may lower them.
   */
  finish(put: Put, cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured>;
}

/** Opens what a storage cut holds of one path, given as the server sees it. */
export type CutFiles = (path: string) => Promise<Files>;

/** What a capture knows of itself; `claim` adds what the window showed. */
export type Captured = Pick<
  SourceRecord,
  'excluded' | 'settings' | 'fingerprint' | 'artifacts' | 'definition' | 'position' | 'reasons'
>;

/** Writes are stopped. The server, or a guard beside it, ends this at the limit even when we are dead. */
export interface Hold extends AsyncDisposable {
  /** When the request that was granted was sent, on the monotonic clock: from then on writers may have waited. */
  readonly since: Millis;
  /** The earliest moment, on the same clock, at which the hold may end without us: what is cut after it is void. */
  readonly until: Millis;
  /** The session died or `until` passed: what is cut after this is void. */
  readonly lost: AbortSignal;
  /**
   * Reads from the server, over another connection, what must not change while writes are held: equal before and after
   * the cut means that no commit fell between. Sends nothing on the holding sessions.
   */
  witness(): Promise<Witness>;
  /** Lets writes go. Idempotent; returns when they flow. Throws `still-held` (exit 8). */
  resume(): Promise<void>;
}

/** A reading of the held server. */
export interface Witness {
  /** The sessions that hold, as the server names them: `pid 4711 since 2026-11-21T02:00:00Z`. */
  readonly session: string;
  /** Still the same sessions, with all their locks. */
  readonly holding: boolean;
  /** Changes with every commit: PostgreSQL's transaction snapshot, MariaDB's GTID set. */
  readonly transactions: string;
  /** Role, timeline, term: changes when another server takes over. */
  readonly term: string;
}

/** Why two readings do not prove an unbroken hold; empty when they do. Pure. */
export function broken(before: Witness, after: Witness): readonly Reason[] {
  const reasons: Reason[] = [];
  if (!after.holding)
    reasons.push({ code: 'session-lost', text: 'the session that held writes was gone after the cut' });
  else if (before.session !== after.session)
    reasons.push({
      code: 'session-reused',
      text: `another session held writes after the cut: ${before.session} before, ${after.session} after`,
    });
  if (before.transactions !== after.transactions) {
    reasons.push({
      code: 'transactions-moved',
      text: `a transaction ended during the cut: ${before.transactions} before, ${after.transactions} after`,
    });
  }
  if (before.term !== after.term)
    reasons.push({
      code: 'term-changed',
      text: `the server's role or timeline changed during the cut: ${before.term} before, ${after.term} after`,
    });
  return reasons;
}
