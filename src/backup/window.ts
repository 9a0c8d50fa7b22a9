import { setTimeout as sleep } from 'node:timers/promises';
import type { Hold } from '../engines/capture.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import type { Reason } from '../model/level.ts';
import type { HoldEvidence, WindowRecord } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import type { Position } from '../model/position.ts';
import { type Interval, type Millis, startInterval } from '../model/time.ts';
import type { OpenCapture, OpenCaptures } from './prepare.ts';
import { doubtsOf, failureOf, worthAnother } from './proof.ts';
import type { Storage } from './storage.ts';

/** What happened in the window, for `claim`. */
export interface Window extends WindowRecord {
  readonly positions: Readonly<Record<string, Position>>;
  /** Why a source went unheld or its hold does not prove the cut. */
  readonly reasons: Readonly<Record<string, readonly Reason[]>>;
}

/** A commit may slip through a hold by a way that no table lock covers: the cut is then taken again, this often. */
const CUTS = 3;
/** Where nobody waits and no snapshot is taken, looking for a quiet moment costs nothing. */
const UNHELD_CUTS = 20;

/**
 * The only place that stops writes: hold every source of `plan.hold`, flush, cut, prove that nothing moved, resume.
 * All or nothing: when one hold is refused, all are let go. Writes flow again when this returns or throws; where that
 * cannot be shown it throws `still-held`.
 */
export async function cutTogether(
  captures: OpenCaptures,
  storage: Storage,
  plan: Plan,
  emit: Emit,
  signal: AbortSignal,
): Promise<Window> {
  const window = new OpenWindow(captures, storage, plan, emit);
  try {
    await window.holdAll();
    signal.throwIfAborted();
    await window.flushAll();
    await window.cutUntilProven(signal);
  } catch (cause) {
    throw await window.lostOr(cause);
  } finally {
    await window.resumeAll();
  }
  return window.record();
}

interface Held {
  readonly open: OpenCapture;
  readonly hold: Hold;
  readonly since: () => Interval;
}

class OpenWindow {
  readonly #captures: OpenCaptures;
  readonly #storage: Storage;
  readonly #plan: Plan;
  readonly #emit: Emit;
  readonly #opened = performance.now();
  readonly #holds: Held[] = [];
  readonly #held: Record<string, HoldEvidence> = {};
  readonly #cut: Record<string, Interval> = {};
  readonly #flushed: Record<string, Interval> = {};
  readonly #positions: Record<string, Position> = {};
  readonly #reasons: Record<string, readonly Reason[]> = {};

  constructor(captures: OpenCaptures, storage: Storage, plan: Plan, emit: Emit) {
    this.#captures = captures;
    this.#storage = storage;
    this.#plan = plan;
    this.#emit = emit;
  }

  record(): Window {
    return {
      held: this.#held,
      cut: this.#cut,
      flushed: this.#flushed,
      positions: this.#positions,
      reasons: this.#reasons,
    };
  }

  async holdAll(): Promise<void> {
    const { sources, hold, holdLimit, onOverrun } = this.#plan;
    for (const { name, reasons } of sources) {
      const reason = reasons.find((it) => it.code === 'unholdable');
      if (reason && !hold.includes(name)) this.#emit({ event: 'unheld', source: name, reason });
    }
    for (const name of hold) {
      const open = this.#captures.find((it) => it.plan.name === name);
      if (!open) throw new StillpointError('internal', `The plan holds ${name}, which is not among its sources.`);
      this.#emit({ event: 'holding', source: name, limit: holdLimit });
      try {
        const hold = await open.capture.hold();
        // From the request on: a lock that waits stops writers, too. Attempts that were given up let them go again.
        this.#holds.push({ open, since: startInterval(hold.since), hold });
        this.#emit({ event: 'held', source: name, at: this.#at() });
      } catch (cause) {
        const error = asStillpointError(cause);
        if (onOverrun === 'fail' || error.code !== 'hold-refused') throw error;
        const reason = { code: 'not-held', text: error.message };
        this.#doubt(name, reason);
        this.#emit({ event: 'unheld', source: name, reason });
      }
    }
  }

  async flushAll(): Promise<void> {
    await Promise.all(
      this.#holds.map(async ({ open, hold }) => {
        const since = startInterval();
        await hold.flush();
        this.#flushed[open.plan.name] = since();
        this.#emit({ event: 'flushed', source: open.plan.name, at: this.#at() });
      }),
    );
  }

  /** Cuts until nothing moved meanwhile; where that does not come to pass it fails, or keeps the last cut with its doubts. */
  async cutUntilProven(signal: AbortSignal): Promise<void> {
    const unheld = this.#captures.filter((it) => !this.#holds.some(({ open }) => open === it));
    const tries = this.#holds.length === 0 && this.#storage.cuts === 0 ? UNHELD_CUTS : CUTS;
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const before = await this.#witnesses();
      await this.#cutAll();
      const after = await this.#witnesses();
      const still = await Promise.all(
        unheld.map(async ({ plan, capture }) => [plan.name, await capture.still()] as const),
      );
      this.#tellCuts();
      const readings = before.flatMap((it, at) => {
        const second = after[at];
        return second ? [{ name: it.name, before: it.witness, after: second.witness }] : [];
      });
      const doubts = doubtsOf(readings, Object.fromEntries(still));
      for (const { name, after: last } of readings) {
        const reasons = doubts.filter((it) => it.name === name).map((it) => it.reason);
        this.#held[name] = { held: this.#since(name), session: last.session, unbroken: reasons.length === 0, reasons };
      }
      if (doubts.length === 0) return;
      if (attempt < tries && worthAnother(doubts)) continue;
      if (this.#plan.onOverrun === 'fail') throw failureOf(this.#plan, doubts, tries);
      for (const { name, reason } of doubts) {
        this.#doubt(name, reason);
        this.#emit({ event: 'downgraded', source: name, reason });
      }
      return;
    }
  }

  /** A server that ended a hold also ends the statements that depend on it: then the hold is what was lost. */
  async lostOr(cause: unknown): Promise<unknown> {
    // The word of the ended session may arrive a moment after the first error that it caused.
    await sleep(20);
    const lost = this.#lost();
    if (!lost) return cause;
    const why = asStillpointError(lost.hold.lost.reason).message;
    const text = `The hold on ${lost.open.plan.name} did not last through the cut: ${why}.`;
    return new StillpointError('hold-lost', text, { cause });
  }

  /** Lets all go, even when letting one go fails; measured per source until its writes flow. */
  async resumeAll(): Promise<void> {
    const spans: Record<string, { from: Millis; to: Millis }> = {};
    const failed: unknown[] = [];
    await Promise.all(
      this.#holds.map(async ({ open, hold, since }) => {
        const { name } = open.plan;
        try {
          await hold.resume();
        } catch (cause) {
          failed.push(cause);
        }
        const interval = since();
        spans[name] = { from: interval.start - this.#opened, to: interval.end - this.#opened };
        this.#held[name] = { session: '', unbroken: false, reasons: [], ...this.#held[name], held: interval };
      }),
    );
    if (failed.length > 0) {
      const text = `Writes could not be shown to flow again: ${asStillpointError(failed[0]).message}`;
      throw new StillpointError('still-held', text, { cause: failed[0] });
    }
    const longest = Math.max(0, ...Object.values(spans).map((it) => it.to - it.from));
    if (this.#holds.length > 0) this.#emit({ event: 'resumed', held: spans, longest });
  }

  async #cutAll(): Promise<void> {
    await Promise.all(
      this.#captures.map(async ({ plan: { name }, capture }) => {
        const since = startInterval();
        this.#positions[name] = await capture.cut();
        this.#cut[name] = since();
      }),
    );
    // The sessions' points first: they take a millisecond, and what storage holds must not be older.
    Object.assign(this.#cut, await this.#storage.cut());
  }

  #tellCuts(): void {
    for (const [source, { start, end }] of Object.entries(this.#cut)) {
      const position = this.#positions[source];
      if (position) this.#emit({ event: 'cut', source, from: start - this.#opened, to: end - this.#opened, position });
    }
  }

  #witnesses() {
    return Promise.all(
      this.#holds.map(async ({ open, hold }) => ({ name: open.plan.name, witness: await hold.witness() })),
    );
  }

  #lost(): Held | undefined {
    return this.#holds.find((it) => it.hold.lost.aborted);
  }

  #since(name: string): Interval {
    const held = this.#holds.find((it) => it.open.plan.name === name);
    return (held?.since ?? startInterval())();
  }

  #doubt(name: string, reason: Reason): void {
    this.#reasons[name] = [...(this.#reasons[name] ?? []), reason];
  }

  #at(): Millis {
    return performance.now() - this.#opened;
  }
}
