import { broken, type Witness } from '../engines/capture.ts';
import { StillpointError } from '../model/errors.ts';
import type { Reason } from '../model/level.ts';
import type { Plan } from '../model/plan.ts';

/** Why a source's cut is not proven. */
export interface Doubt {
  readonly name: string;
  readonly reason: Reason;
  /** Whether the source was held: then the hold did not do what a hold must. */
  readonly held: boolean;
}

/** Two readings of one held source, before and after the cut. */
export interface Readings {
  readonly name: string;
  readonly before: Witness;
  readonly after: Witness;
}

/** Every doubt about one attempt at the cut; none: all of it is one point. Pure. */
export const doubtsOf = (
  readings: readonly Readings[],
  unheld: Readonly<Record<string, readonly Reason[]>>,
): readonly Doubt[] => [
  ...readings.flatMap(({ name, before, after }) =>
    broken(before, after).map((reason) => ({ name, reason, held: true })),
  ),
  ...Object.entries(unheld).flatMap(([name, reasons]) => reasons.map((reason) => ({ name, reason, held: false }))),
];

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
