import { broken, type Witness } from '../engines/capture.ts';
import { StillpointError } from '../model/errors.ts';
import type { Reason } from '../model/level.ts';
import type { Plan } from '../model/plan.ts';
import type { Interval, Millis } from '../model/time.ts';

/** What was seen of one attempt at the cut. All times are of one monotonic clock. */
export interface Evidence {
  /** Sources that are cut at one instant; false: each is judged by its own hold alone. */
  readonly coordinated: boolean;
  readonly holds: readonly HoldSeen[];
  readonly cuts: readonly CutSeen[];
  /** When each source was flushed, held or not. */
  readonly flushed: Readonly<Record<string, Interval>>;
  /** What speaks against the cuts of sources that were not held: `Capture.still`. */
  readonly unheld: Readonly<Record<string, readonly Reason[]>>;
}

export interface HoldSeen {
  readonly source: string;
  /** When the hold was had. */
  readonly granted: Millis;
  /** The earliest moment at which it may have ended without us. */
  readonly until: Millis;
  /** When it was let go; absent: not yet. */
  readonly released?: Millis;
  readonly before: Witness;
  readonly after: Witness;
}

export interface CutSeen {
  readonly source: string;
  /** The cut lies somewhere inside. */
  readonly at: Interval;
  readonly by: 'session' | 'storage';
  /** False: whoever cut it is not known to cut all of it at one instant. */
  readonly atomic: boolean;
}

/** Why a source's cut is not proven. */
export interface Doubt {
  readonly name: string;
  readonly reason: Reason;
  /** A hold did not do what it must; else nothing was held, and the server moved on. */
  readonly held: boolean;
}

/** Every doubt about the cut; none: all of it is one point. Pure: each way in which a hold proves nothing has its reason here. */
export function doubtsOf(seen: Evidence): readonly Doubt[] {
  const concerns = (hold: HoldSeen, source: string): boolean => seen.coordinated || hold.source === source;
  return [
    ...seen.holds.flatMap(({ source, before, after }) =>
      broken(before, after).map((reason) => ({ name: source, reason, held: true })),
    ),
    ...seen.holds.flatMap((hold) =>
      seen.cuts.filter((it) => concerns(hold, it.source)).flatMap((cut) => outside(hold, cut)),
    ),
    ...seen.holds.flatMap((hold) =>
      Object.entries(seen.flushed)
        .filter(([source, at]) => concerns(hold, source) && at.start < hold.granted)
        .map(([source]) => doubt(source, 'flushed-early', `${source} was flushed before ${hold.source} was held`)),
    ),
    ...seen.cuts
      .filter((it) => !it.atomic)
      .map(({ source }) =>
        doubt(source, 'not-atomic', `what cut the storage of ${source} is not known to cut all of it at one instant`),
      ),
    ...Object.entries(seen.unheld).flatMap(([name, reasons]) =>
      reasons.map((reason) => ({ name, reason, held: false })),
    ),
  ];
}

/** What a cut and a hold have to do with each other: the one must lie inside the other, whoever ends it. */
function outside(hold: HoldSeen, { source, at, by }: CutSeen): readonly Doubt[] {
  const [late, early] = [hold.granted - at.start, at.end - (hold.released ?? Number.POSITIVE_INFINITY)];
  const ended = at.end - hold.until;
  const found: Doubt[] = [];
  if (by === 'storage' && (late > 0 || early > 0)) {
    const text = `the storage of ${source} was cut at some moment of ${ms(at.millis)}, not all of which lay in the hold of ${hold.source}`;
    found.push(doubt(source, 'bracket-outside', text));
  } else if (late > 0) {
    found.push(doubt(hold.source, 'held-late', `held only ${ms(late)} after the cut of ${source} had begun`));
  } else if (early > 0) {
    found.push(doubt(source, 'cut-after-resume', `cut until ${ms(early)} after ${hold.source} had been let go`));
  }
  if (ended > 0) {
    const text = `the hold may have ended by itself ${ms(ended)} before ${source} was cut`;
    found.push(doubt(hold.source, 'hold-expired', text));
  }
  return found;
}

const doubt = (name: string, code: string, text: string): Doubt => ({ name, reason: { code, text }, held: true });
const ms = (time: Millis): string => `${Math.max(1, Math.round(time))} ms`;

/** Only a commit that slipped through is worth another cut; a lost session or another term is not. */
export const worthAnother = (doubts: readonly Doubt[]): boolean =>
  doubts.every((it) => it.reason.code === 'transactions-moved');

/** What doubts mean where the policy is to fail. */
export function failureOf(plan: Plan, doubts: readonly Doubt[], tries: number): StillpointError {
  const why = doubts.map((it) => `${it.name}: ${it.reason.text}`).join('; ');
  if (doubts.some((it) => it.held))
    return new StillpointError('hold-lost', `The hold did not last through the cut. ${why}.`);
  const unholdable = plan.sources
    .find((it) => it.name === doubts[0]?.name)
    ?.reasons.find((it) => it.code === 'unholdable');
  return new StillpointError(
    'source-changed',
    `Writes were not held${unholdable ? ` (${unholdable.text})` : ''}, and in each of ${tries} tries the server moved on during the cut. ${why}.`,
    {
      meaning:
        'No backup was made: its parts would be of different moments. Writes flow; earlier backups are untouched.',
      next: 'stillpoint recipe show postgresql --grants   # or a quieter hour, one database by #NAME, or onOverrun: downgrade',
    },
  );
}
