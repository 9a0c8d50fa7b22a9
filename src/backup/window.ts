import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceChange } from '../hold/journal.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import type { Plan } from '../model/plan.ts';
import { type Millis, startInterval } from '../model/time.ts';
import { unheldReason } from './holds.ts';
import { hurry } from './hurry.ts';
import type { OpenCapture, OpenCaptures } from './prepare.ts';
import { doubtsOf, failureOf, worthAnother } from './proof.ts';
import type { Protect } from './protect.ts';
import { type Held, type Point, Seen, type Window } from './seen.ts';
import type { Storage } from './storage.ts';

/** A commit may slip through a hold by a way that no table lock covers: the cut is then taken again, this often. */
const CUTS = 3;
/** Where no snapshot is taken, as often as fits in this: a server's own maintenance commits in bursts. */
const CUTS_WITHIN: Millis = 300;
/** Where nobody waits and no snapshot is taken, looking for a quiet moment costs nothing. */
const UNHELD_CUTS = 20;
/** All attempts to hold together make writers wait for less than this part of the limit; the rest is for the hold itself. */
const ATTEMPTS_SHARE = 0.5;
/** Hooks in the hold must leave this much of it. */
const ROOM_FOR_CUT: Millis = 250;

/**
 * The only place that stops writes: hold every source of `plan.hold`, flush, cut, prove that nothing moved, resume.
 * All or nothing: when one hold is refused, all are let go. Writes flow again when this returns or throws; where that
 * cannot be shown it throws `still-held`.
 */
export async function cutTogether(
  captures: OpenCaptures,
  storage: Storage,
  plan: Plan,
  { emit, protect, inHold, signal }: Surroundings,
): Promise<Window> {
  const window = new OpenWindow(captures, storage, plan, emit);
  const changes = await window.ready();
  await using _protected = await protect(changes);
  // A hook may start what stays: that shall not inherit our haste.
  using _hurried = inHold ? undefined : hurry();
  // What was written since it was settled would be written back within the hold.
  await storage.ready();
  try {
    await window.holdAll(signal);
    if (inHold) {
      await window.flushAll();
      await inHold(window.room());
    }
    await window.cutUntilProven(signal);
  } catch (cause) {
    throw await window.lostOr(cause);
  } finally {
    await window.resumeAll();
  }
  return window.judged();
}

/** Whom the window tells, and who else has a part in it. */
export interface Surroundings {
  readonly emit: Emit;
  readonly protect: Protect;
  readonly inHold?: InHold | undefined;
  readonly signal: AbortSignal;
}

/** What hooks do in the hold, within so much time; it throws when one fails. */
export type InHold = (room: Millis) => Promise<void>;

class OpenWindow {
  readonly #captures: OpenCaptures;
  readonly #storage: Storage;
  readonly #plan: Plan;
  readonly #emit: Emit;
  readonly #seen: Seen;
  #tries = 0;

  constructor(captures: OpenCaptures, storage: Storage, plan: Plan, emit: Emit) {
    this.#captures = captures;
    this.#storage = storage;
    this.#plan = plan;
    this.#emit = emit;
    this.#seen = new Seen(plan);
  }

  /** Before anything is held; what is going to be changed on the servers. */
  async ready(): Promise<readonly SourceChange[]> {
    const ready = async ({ plan: { name }, capture }: OpenCapture): Promise<readonly SourceChange[]> =>
      (await capture.ready()).map((it) => ({ ...it, source: name }));
    return (await Promise.all(this.#captures.map(ready))).flat();
  }

  /**
   * All or nothing: when one is refused, all that were had are let go before the next attempt. Writers wait for all
   * attempts together no longer than one hold may last. Where the policy is a lower claim, who cannot be held goes without.
   */
  async holdAll(signal: AbortSignal): Promise<void> {
    const { sources, hold, holdLimit, onOverrun } = this.#plan;
    for (const source of sources) {
      const reason = unheldReason(source);
      if (reason && !hold.includes(source.name)) this.#emit({ event: 'unheld', source: source.name, reason });
    }
    let wanted = hold.map((name) => this.#capture(name));
    let stalled = 0;
    for (let attempt = 1; wanted.length > 0; attempt++) {
      if (attempt > 1) await Promise.all(wanted.map(({ capture }) => capture.ready()));
      signal.throwIfAborted();
      const start = performance.now();
      const refused = await this.#tryHolding(wanted, holdLimit - stalled);
      signal.throwIfAborted();
      if (!refused) return;
      await this.#letGo();
      this.#seen.forgetHolds();
      stalled += performance.now() - start;
      if (stalled < holdLimit * ATTEMPTS_SHARE) {
        const text = `attempt ${attempt}: all let go again; ${refused.error.message}`;
        this.#emit({ event: 'step', source: refused.open.plan.name, step: 'hold-again', text });
        await sleep(20 + Math.random() * 80, undefined, { signal });
        continue;
      }
      const text = `In ${attempt} attempts, in which writers waited for ${Math.round(stalled)} ms: ${refused.error.message}`;
      if (onOverrun === 'fail') throw new StillpointError('hold-refused', text, { cause: refused.error });
      this.#seen.notHeld(refused.open.plan.name, text);
      this.#emit({ event: 'unheld', source: refused.open.plan.name, reason: { code: 'not-held', text } });
      wanted = wanted.filter((it) => it !== refused.open);
    }
  }

  /** Who waits for transactions first, one after the other; the others behind them, all at once. The first that is refused. */
  async #tryHolding(wanted: readonly OpenCapture[], room: Millis): Promise<Refused | undefined> {
    const deadline = performance.now() + room;
    const hold = async (open: OpenCapture): Promise<Refused | undefined> => {
      const { name } = open.plan;
      this.#emit({ event: 'holding', source: name, limit: this.#plan.holdLimit });
      try {
        this.#seen.granted(open, await open.capture.hold(deadline - performance.now()));
      } catch (cause) {
        const error = asStillpointError(cause);
        if (error.code !== 'hold-refused') throw cause;
        return { open, error };
      }
      this.#emit({ event: 'held', source: name, at: this.#seen.at() });
      return undefined;
    };
    for (const open of wanted.filter((it) => it.source.engine.barrier === 'transactions')) {
      const refused = await hold(open);
      if (refused) return refused;
    }
    const results = await Promise.allSettled(
      wanted.filter((it) => it.source.engine.barrier === 'statements').map((it) => hold(it)),
    );
    for (const it of results) if (it.status === 'rejected') throw it.reason;
    return results.flatMap((it) => (it.status === 'fulfilled' && it.value ? [it.value] : []))[0];
  }

  /** What a hook does in the hold finds everything durable. */
  async flushAll(): Promise<void> {
    await Promise.all(this.#captures.map((it) => this.#flush(it)));
  }

  /** What is left of the shortest hold, but for what the cut itself needs. */
  room(): Millis {
    const until = this.#seen.holds.map((it) => it.hold.until);
    return Math.min(performance.now() + this.#plan.holdLimit, ...until) - performance.now() - ROOM_FOR_CUT;
  }

  /** Cuts until nothing moved meanwhile, as often as that may be tried; the last cut counts. */
  async cutUntilProven(signal: AbortSignal): Promise<void> {
    const unheld = this.#captures.filter(({ plan }) => this.#seen.holdOf(plan.name) === undefined);
    const cheap = this.#storage.cuts === 0;
    const most = this.#seen.holds.length === 0 && cheap ? UNHELD_CUTS : CUTS;
    const end = performance.now() + (this.#seen.holds.length > 0 && cheap ? CUTS_WITHIN : 0);
    do {
      signal.throwIfAborted();
      this.#tries++;
      // Source by source: none of them waits for the flush of another.
      this.#seen.points(await Promise.all(this.#captures.map((it) => this.#point(it))));
      // The sessions' points first: they take a millisecond, and what storage holds must not be older.
      this.#seen.storageCuts(await this.#storage.cut());
      const still = unheld.map(async ({ plan, capture }) => [plan.name, await capture.still()] as const);
      const [witnesses, reasons] = await Promise.all([this.#witnesses(), Promise.all(still)]);
      this.#seen.after(witnesses);
      this.#seen.unheld(Object.fromEntries(reasons));
      for (const cut of this.#seen.cutEvents()) this.#emit(cut);
      const doubts = doubtsOf(this.#seen.evidence());
      if (doubts.length === 0 || !worthAnother(doubts)) return;
    } while (this.#tries < most || performance.now() < end);
  }

  /** A server that ended a hold also ends the statements that depend on it: then the hold is what was lost. */
  async lostOr(cause: unknown): Promise<unknown> {
    // The word of the ended session may arrive a moment after the first error that it caused.
    await sleep(20);
    const lost = this.#seen.holds.find((it) => it.hold.lost.aborted);
    if (!lost) return cause;
    const why = asStillpointError(lost.hold.lost.reason).message;
    const text = `The hold on ${lost.open.plan.name} did not last through the cut: ${why}.`;
    return new StillpointError('hold-lost', text, { cause });
  }

  /** Lets all go, even when letting one go fails; measured per source until its writes flow. */
  async resumeAll(): Promise<void> {
    const any = this.#seen.holds.length > 0;
    await this.#letGo();
    if (any) this.#emit({ event: 'resumed', ...this.#seen.spans() });
  }

  async #letGo(): Promise<void> {
    const resume = async (held: Held): Promise<void> => {
      held.released = performance.now();
      await held.hold.resume();
      held.flows = performance.now();
    };
    const results = await Promise.allSettled(this.#seen.holds.map(resume));
    const failed = results.find((it) => it.status === 'rejected');
    if (failed) {
      const text = `Writes could not be shown to flow again: ${asStillpointError(failed.reason).message}`;
      throw new StillpointError('still-held', text, { cause: failed.reason });
    }
  }

  /** What the whole of it proves, now that it is over: doubts fail the run or lower its claim, as the plan says. */
  judged(): Window {
    const doubts = doubtsOf(this.#seen.evidence());
    if (doubts.length > 0 && this.#plan.onOverrun === 'fail') throw failureOf(this.#plan, doubts, this.#tries);
    for (const { name, reason } of doubts) this.#emit({ event: 'downgraded', source: name, reason });
    return this.#seen.window(doubts);
  }

  /** Once, held or not, when all are held: what was acknowledged before this is in every image. */
  async #flush({ plan: { name }, capture }: OpenCapture): Promise<void> {
    if (this.#seen.isFlushed(name)) return;
    const since = startInterval();
    await capture.flush();
    this.#seen.flushed(name, since());
    this.#emit({ event: 'flushed', source: name, at: this.#seen.at() });
  }

  /** The witness before the cut, and the cut of the source's own sessions. */
  async #point(open: OpenCapture): Promise<Point> {
    const source = open.plan.name;
    await this.#flush(open);
    const witness = await this.#seen.holdOf(source)?.witness();
    const since = startInterval();
    const position = await open.capture.cut();
    return { source, witness, position, at: since() };
  }

  #witnesses() {
    return Promise.all(this.#seen.holds.map(async ({ open, hold }) => [open.plan.name, await hold.witness()] as const));
  }

  #capture(name: string): OpenCapture {
    const open = this.#captures.find((it) => it.plan.name === name);
    if (!open) throw new StillpointError('internal', `The plan holds ${name}, which is not among its sources.`);
    return open;
  }
}

interface Refused {
  readonly open: OpenCapture;
  readonly error: StillpointError;
}
