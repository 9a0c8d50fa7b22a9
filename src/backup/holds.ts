import type { Engine } from '../engines/engine.ts';
import { StillpointError } from '../model/errors.ts';
import type { Reason } from '../model/level.ts';
import type { Plan, SourcePlan } from '../model/plan.ts';

/** One source, and what decides whether and when it is held. */
export interface Planned {
  readonly plan: SourcePlan;
  readonly barrier: Engine['barrier'];
  /** Its cut is one point even while writes go on. */
  readonly onePoint: boolean;
}

export const ONE_UNHELD: Reason = { code: 'one-unheld', text: 'one source may go unheld' };

/** Why the plan does not hold a source: its server cannot be held, or it is the one that need not be. */
export const unheldReason = ({ reasons }: Pick<SourcePlan, 'reasons'>): Reason | undefined =>
  reasons.find((it) => it.code === 'unholdable' || it.code === ONE_UNHELD.code);

/**
 * Which sources are held, in the order of acquisition; pure. What cannot be held goes without, and must prove itself by
 * the server having been quiet (`Capture.still`). In a group all but one are enough: what is in a held image happened
 * before the hold, so its causes elsewhere did too and are in the unheld image, which is cut later; what is in the unheld
 * image has its causes in held ones from before the hold. Between two unheld ones an effect could be in one image and its
 * cause in neither: throws `preflight`, unless a lower claim is wanted.
 */
export function planHolds(
  sources: readonly Planned[],
  coordinated: boolean,
  onOverrun: Plan['onOverrun'],
): { readonly planned: readonly SourcePlan[]; readonly held: readonly string[] } {
  const unholdable = sources.filter((it) => unheldReason(it.plan));
  if (coordinated && unholdable.length > 1 && onOverrun === 'fail') throw severalUnheld(unholdable);
  const spared = coordinated && unholdable.length === 0 ? sparedOf(sources) : undefined;
  const planned = sources.map(({ plan }) =>
    plan === spared?.plan ? { ...plan, reasons: [...plan.reasons, ONE_UNHELD] } : plan,
  );
  const held = sources.filter((it) => !unholdable.includes(it) && it !== spared);
  const waiting = (barrier: Planned['barrier']): readonly string[] =>
    held.filter((it) => it.barrier === barrier).map((it) => it.plan.name);
  return { planned, held: [...waiting('transactions'), ...waiting('statements')] };
}

/** The dearest barrier is spared: one that waits for transactions, and of those the one with the most tables to lock. */
function sparedOf(sources: readonly Planned[]): Planned | undefined {
  const able = sources.filter((it) => it.onePoint);
  return able.toSorted((a, b) => costOf(b) - costOf(a))[0];
}

const costOf = ({ barrier, plan }: Planned): number => (barrier === 'transactions' ? 1 + plan.facts.tables : 0);

function severalUnheld(sources: readonly Planned[]): StillpointError {
  const why = sources.map(({ plan }) => `${plan.name} cannot be held (${unheldReason(plan)?.text})`).join('; ');
  return new StillpointError(
    'preflight',
    `Only one source of a job that is cut at one instant may go unheld, and here ${sources.length} would: ${why}.`,
    { next: 'Make all but one holdable, or set coordinate: false, or onOverrun: downgrade to keep the lower claim.' },
  );
}
