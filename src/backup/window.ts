import { setTimeout as sleep } from 'node:timers/promises';
import { broken, type Hold } from '../engines/capture.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import type { Reason } from '../model/level.ts';
import type { HoldEvidence, WindowRecord } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import type { Position } from '../model/position.ts';
import { type Interval, type Millis, startInterval } from '../model/time.ts';
import type { OpenCapture, OpenCaptures } from './prepare.ts';

/** What happened in the window, for `claim`. */
export interface Window extends WindowRecord {
  readonly positions: Readonly<Record<string, Position>>;
  /** Why a source went unheld or its hold does not prove the cut. */
  readonly reasons: Readonly<Record<string, readonly Reason[]>>;
}

/** A commit may slip through a hold by a way that no table lock covers: the cut is then taken again, this often. */
const CUTS = 3;

interface Held {
  readonly open: OpenCapture;
  readonly hold: Hold;
  readonly since: () => Interval;
}

/**
 * The only place that stops writes: hold every source of `plan.hold`, flush, cut, prove that nothing moved, resume.
 * All or nothing: when one hold is refused, all are let go. Writes flow again when this returns or throws; where that
 * cannot be shown it throws `still-held`.
 */
export async function cutTogether(
  captures: OpenCaptures,
  plan: Plan,
  emit: Emit,
  signal: AbortSignal,
): Promise<Window> {
  const opened = performance.now();
  const at = (): Millis => performance.now() - opened;
  const record = {
    held: {} as Record<string, HoldEvidence>,
    cut: {} as Record<string, Interval>,
    flushed: {} as Record<string, Interval>,
  };
  const positions: Record<string, Position> = {};
  const reasons: Record<string, readonly Reason[]> = {};
  const held: Held[] = [];
  try {
    await holdAll(captures, plan, emit, held, reasons, at);
    signal.throwIfAborted();
    await flushAll(held, record.flushed, emit, at);
    await cutAll(captures, held, plan, record, positions, reasons, emit, at, signal);
  } catch (cause) {
    throw await lostOr(cause, held);
  } finally {
    await resumeAll(held, record.held, emit, opened);
  }
  return { ...record, positions, reasons };
}

/** A server that ended a hold also ends the statements that depend on it: then the hold is what was lost. */
async function lostOr(cause: unknown, held: readonly Held[]): Promise<unknown> {
  // The word of the ended session may arrive a moment after the first error that it caused.
  await sleep(20);
  const lost = held.find((it) => it.hold.lost.aborted);
  if (!lost) return cause;
  const why = asStillpointError(lost.hold.lost.reason).message;
  return new StillpointError('hold-lost', `The hold on ${lost.open.plan.name} did not last through the cut: ${why}.`, {
    cause,
  });
}

async function holdAll(
  captures: OpenCaptures,
  plan: Plan,
  emit: Emit,
  held: Held[],
  reasons: Record<string, readonly Reason[]>,
  at: () => Millis,
): Promise<void> {
  for (const name of plan.hold) {
    const open = captures.find((it) => it.plan.name === name);
    if (!open) throw new StillpointError('internal', `The plan holds ${name}, which is not among its sources.`);
    emit({ event: 'holding', source: name, limit: plan.holdLimit });
    // From the request on: a lock that waits stops writers, too.
    const since = startInterval();
    try {
      held.push({ open, since, hold: await open.capture.hold() });
      emit({ event: 'held', source: name, at: at() });
    } catch (cause) {
      const error = asStillpointError(cause);
      if (plan.onOverrun === 'fail' || error.code !== 'hold-refused') throw error;
      const reason = { code: 'not-held', text: error.message };
      reasons[name] = [reason];
      emit({ event: 'unheld', source: name, reason });
    }
  }
}

async function flushAll(
  held: readonly Held[],
  flushed: Record<string, Interval>,
  emit: Emit,
  at: () => Millis,
): Promise<void> {
  await Promise.all(
    held.map(async ({ open, hold }) => {
      const since = startInterval();
      await hold.flush();
      flushed[open.plan.name] = since();
      emit({ event: 'flushed', source: open.plan.name, at: at() });
    }),
  );
}

async function cutAll(
  captures: OpenCaptures,
  held: readonly Held[],
  plan: Plan,
  record: { held: Record<string, HoldEvidence>; cut: Record<string, Interval> },
  positions: Record<string, Position>,
  reasons: Record<string, readonly Reason[]>,
  emit: Emit,
  at: () => Millis,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const before = await Promise.all(held.map((it) => it.hold.witness()));
    await Promise.all(
      captures.map(async ({ plan: { name }, capture }) => {
        const from = at();
        const since = startInterval();
        const position = await capture.cut();
        record.cut[name] = since();
        positions[name] = position;
        emit({ event: 'cut', source: name, from, to: at(), position });
      }),
    );
    const after = await Promise.all(held.map((it) => it.hold.witness()));
    let moved = false;
    for (const [index, { open, hold, since }] of held.entries()) {
      const [first, last] = [before[index], after[index]];
      if (!first || !last) continue;
      const found = broken(first, last);
      moved ||= found.some((it) => it.code === 'transactions-moved');
      const { name } = open.plan;
      record.held[name] = {
        held: since(),
        session: last.session,
        unbroken: found.length === 0 && !hold.lost.aborted,
        reasons: found,
      };
    }
    const lost = held.find((it) => it.hold.lost.aborted);
    const doubts = Object.entries(record.held).flatMap(([name, it]) => it.reasons.map((reason) => ({ name, reason })));
    if (!lost && doubts.length === 0) return;
    // Only a commit that slipped through is worth another cut; a lost session or another term is not.
    if (!lost && moved && attempt < CUTS && doubts.every((it) => it.reason.code === 'transactions-moved')) continue;
    const why = lost
      ? `${lost.open.plan.name}: ${asStillpointError(lost.hold.lost.reason).message}`
      : doubts.map((it) => `${it.name}: ${it.reason.text}`).join('; ');
    if (plan.onOverrun === 'fail')
      throw new StillpointError('hold-lost', `The hold did not last through the cut. ${why}.`);
    for (const { name, reason } of doubts) {
      reasons[name] = [...(reasons[name] ?? []), reason];
      emit({ event: 'downgraded', source: name, reason });
    }
    return;
  }
}

/** Lets all go, even when letting one go fails; measured per source until its writes flow. */
async function resumeAll(
  held: readonly Held[],
  record: Record<string, HoldEvidence>,
  emit: Emit,
  opened: number,
): Promise<void> {
  const spans: Record<string, { from: Millis; to: Millis }> = {};
  const failed: unknown[] = [];
  await Promise.all(
    held.map(async ({ open, hold, since }) => {
      const { name } = open.plan;
      try {
        await hold.resume();
      } catch (cause) {
        failed.push(cause);
      }
      const interval = since();
      spans[name] = { from: interval.start - opened, to: interval.end - opened };
      record[name] = { session: '', unbroken: false, reasons: [], ...record[name], held: interval };
    }),
  );
  const longest = Math.max(0, ...Object.values(spans).map((it) => it.to - it.from));
  if (failed.length > 0)
    throw new StillpointError(
      'still-held',
      `Writes could not be shown to flow again: ${asStillpointError(failed[0]).message}`,
      { cause: failed[0] },
    );
  if (held.length > 0) emit({ event: 'resumed', held: spans, longest });
}
