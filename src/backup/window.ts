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
  storage: Storage,
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
    await cutAll(captures, storage, held, plan, record, positions, reasons, emit, opened, signal);
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
  for (const { name, reasons: why } of plan.sources) {
    const reason = why.find((it) => it.code === 'unholdable');
    if (reason && !plan.hold.includes(name)) emit({ event: 'unheld', source: name, reason });
  }
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
  storage: Storage,
  held: readonly Held[],
  plan: Plan,
  record: { held: Record<string, HoldEvidence>; cut: Record<string, Interval> },
  positions: Record<string, Position>,
  reasons: Record<string, readonly Reason[]>,
  emit: Emit,
  opened: Millis,
  signal: AbortSignal,
): Promise<void> {
  const unheld = captures.filter((it) => !held.some(({ open }) => open === it));
  const cuts = held.length === 0 && storage.cuts === 0 ? UNHELD_CUTS : CUTS;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const before = await Promise.all(held.map((it) => it.hold.witness()));
    await Promise.all(
      captures.map(async ({ plan: { name }, capture }) => {
        const since = startInterval();
        positions[name] = await capture.cut();
        record.cut[name] = since();
      }),
    );
    // The sessions' points first: they take a millisecond, and what storage holds must not be older.
    Object.assign(record.cut, await storage.cut());
    const after = await Promise.all(held.map((it) => it.hold.witness()));
    const still = await Promise.all(unheld.map((it) => it.capture.still()));
    for (const [source, { start, end }] of Object.entries(record.cut)) {
      const position = positions[source];
      if (position) emit({ event: 'cut', source, from: start - opened, to: end - opened, position });
    }
    for (const [index, { open, hold, since }] of held.entries()) {
      const [first, last] = [before[index], after[index]];
      if (!first || !last) continue;
      const found = broken(first, last);
      const { name } = open.plan;
      record.held[name] = {
        held: since(),
        session: last.session,
        unbroken: found.length === 0 && !hold.lost.aborted,
        reasons: found,
      };
    }
    const lost = held.find((it) => it.hold.lost.aborted);
    const broke = Object.entries(record.held).flatMap(([name, it]) => it.reasons.map((reason) => ({ name, reason })));
    const drifted = unheld.flatMap(({ plan: { name } }, n) => (still[n] ?? []).map((reason) => ({ name, reason })));
    const doubts = [...broke, ...drifted];
    if (!lost && doubts.length === 0) return;
    // Only a commit that slipped through is worth another cut; a lost session or another term is not.
    if (!lost && attempt < cuts && doubts.every((it) => it.reason.code === 'transactions-moved')) continue;
    const why = lost
      ? `${lost.open.plan.name}: ${asStillpointError(lost.hold.lost.reason).message}`
      : doubts.map((it) => `${it.name}: ${it.reason.text}`).join('; ');
    if (plan.onOverrun === 'fail') {
      if (lost || broke.length > 0)
        throw new StillpointError('hold-lost', `The hold did not last through the cut. ${why}.`);
      throw notStill(plan, drifted[0]?.name ?? '', why, cuts);
    }
    for (const { name, reason } of doubts) {
      reasons[name] = [...(reasons[name] ?? []), reason];
      emit({ event: 'downgraded', source: name, reason });
    }
    return;
  }
}

/** Neither held nor quiet: the parts of the cut may be of different moments, and what was asked for is one. */
function notStill(plan: Plan, name: string, why: string, cuts: number): StillpointError {
  const unholdable = plan.sources.find((it) => it.name === name)?.reasons.find((it) => it.code === 'unholdable');
  return new StillpointError(
    'source-changed',
    `Writes were not held${unholdable ? ` (${unholdable.text})` : ''}, and in each of ${cuts} tries the server moved on during the cut. ${why}.`,
    {
      meaning:
        'No backup was made: its parts would be of different moments. Writes flow; earlier backups are untouched.',
      next: 'stillpoint recipe show postgresql --grants   # or a quieter hour, one database by #NAME, or onOverrun: downgrade',
    },
  );
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
