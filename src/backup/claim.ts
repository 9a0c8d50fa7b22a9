import type { Captured } from '../engines/capture.ts';
import { StillpointError } from '../model/errors.ts';
import type { Reason } from '../model/level.ts';
import type { Manifest, SourceRecord } from '../model/manifest.ts';
import type { Plan, SourcePlan } from '../model/plan.ts';
import type { Instant } from '../model/time.ts';
import type { Window } from './seen.ts';

/** Pure: evidence in, claims with their reasons out. */
export function claim(
  plan: Plan,
  window: Window,
  captured: Readonly<Record<string, Captured>>,
  run: {
    readonly tool: string;
    readonly started: Instant;
    readonly ended: Instant;
    /** What its kept storage snapshots are called. */
    readonly kept: readonly string[];
    /** Hooks that acknowledged that the application had stopped. */
    readonly drained: readonly string[];
  },
): Manifest {
  const { positions: _, reasons: __, ...record } = window;
  return {
    format: 1,
    id: plan.id,
    job: plan.job,
    tool: run.tool,
    started: run.started,
    ended: run.ended,
    plan,
    window: record,
    coordination: coordinationOf(plan, window),
    ...(run.drained.length === 0 ? {} : { drained: { by: run.drained } }),
    ...(run.kept.length === 0 ? {} : { snapshots: run.kept }),
    sources: plan.sources.map((source) => recordOf(source, captured[source.name], window)),
  };
}

function recordOf(plan: SourcePlan, captured: Captured | undefined, window: Window): SourceRecord {
  if (!captured) throw new StillpointError('internal', `The source ${plan.name} was not finished.`);
  const { name, ref, engine, version, method, database, recipe, level, facts } = plan;
  return {
    name,
    ref,
    engine,
    version,
    serverId: facts.serverId,
    method,
    ...(database === undefined ? {} : { database }),
    recipe,
    level,
    ...captured,
    reasons: [...evidenceOf(name, window), ...plan.reasons, ...captured.reasons, ...(window.reasons[name] ?? [])],
  };
}

/** A claim carries its evidence. */
function evidenceOf(name: string, window: Window): readonly Reason[] {
  const hold = window.held[name];
  if (!hold) {
    const proven = window.reasons[name] === undefined;
    return [{ code: 'unheld', text: `writes were not held${proven ? '; the cut is one point all the same' : ''}` }];
  }
  const text = `held ${Math.round(hold.held.millis)} ms by ${hold.session}; ${hold.unbroken ? 'the transaction snapshot did not change' : 'the hold is not proven'}`;
  return [{ code: hold.unbroken ? 'held' : 'hold-unproven', text }];
}

/** One instant: held before the first cut, until after the last, all of it proven. One source alone needs no coordination. */
function coordinationOf(plan: Plan, window: Window): Manifest['coordination'] {
  const cuts = Object.values(window.cut);
  const skew = cuts.length === 0 ? 0 : Math.max(...cuts.map((it) => it.end)) - Math.min(...cuts.map((it) => it.start));
  if (plan.consistency === 'independent') return { claimed: plan.sources.length === 1, skew, reasons: [] };
  const names = plan.sources.map((it) => it.name);
  const reasons = names.flatMap((name) =>
    (window.reasons[name] ?? []).map(({ code, text }) => ({ code, text: `${name}: ${text}` })),
  );
  // One may go unheld; between two, an effect could be in one image and its cause in neither.
  const unheld = names.filter((name) => !window.held[name]);
  if (unheld.length > 1)
    reasons.push({ code: 'several-unheld', text: `${unheld.join(', ')} were not held; only one source may go unheld` });
  return { claimed: reasons.length === 0, skew, reasons };
}
