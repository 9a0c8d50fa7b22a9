import { statementsFor } from '../engines/recipe.ts';
import { StillpointError } from '../model/errors.ts';
import type { Offer } from '../model/facts.ts';
import type { HookMoment } from '../model/hooks.ts';
import type { BackupId } from '../model/id.ts';
import type { Need, Plan, SourcePlan, Step } from '../model/plan.ts';
import { formatRef } from '../model/ref.ts';
import type { Millis } from '../model/time.ts';
import { cutsOf } from './cuts.ts';
import type { Gathered, GatheredSource } from './gather.ts';
import { type Planned, planHolds } from './holds.ts';
import { STEPS } from './steps.ts';
import type { JobRequest } from './world.ts';

/** Pure: facts, recipe and configuration in, data out. Throws `method-impossible` | `privilege` | `preflight` with every reason. */
export function makePlan({ job, sources }: Gathered, id: BackupId): Plan {
  const coordinated = job.coordinate && sources.length > 1;
  const { planned, held } = planHolds(
    sources.map((source) => planSource(source, choose(source))),
    coordinated,
    job.onOverrun,
  );
  return {
    format: 1,
    id,
    job: job.job,
    sources: planned,
    consistency: coordinated ? 'coordinated' : 'independent',
    holdLimit: job.holdLimit,
    onOverrun: job.onOverrun,
    hold: held,
    cuts: cutsOf(
      planned,
      sources.map((it) => it.storage),
    ),
    ...(job.keepSnapshot ? { keepSnapshot: snapshotsOf(planned) } : {}),
    steps: withHooks(stepsOf(planned, held, job.holdLimit), job),
  };
}

/** To keep what will not be there is a mistake that must not be found out when the rollback is needed. */
function snapshotsOf(planned: readonly SourcePlan[]): true {
  const without = planned.find((it) => it.method !== 'snapshot');
  if (!without) return true;
  throw new StillpointError(
    'method-impossible',
    `--keep-snapshot: ${without.name} is backed up by ${without.method}, which leaves no snapshot to keep.`,
    { next: 'Leave it out, or use --method snapshot where that is possible: stillpoint plan REF' },
  );
}

function planSource(source: GatheredSource, offer: Offer): Planned {
  const { request, engine, facts, recipe } = source;
  const plan: SourcePlan = {
    name: request.name,
    ref: formatRef(request.ref),
    engine: engine.name,
    version: facts.version,
    method: offer.method,
    ...(request.ref.database === undefined ? {} : { database: request.ref.database }),
    statements: statementsFor(recipe.data, offer.method, facts.major),
    recipe: { name: recipe.data.engine, sha256: recipe.sha256 },
    level: offer.level,
    reasons: offer.reasons,
    needs: needsOf(source, offer),
    facts,
  };
  return { plan, barrier: engine.barrier, onePoint: offer.onePoint ?? false };
}

/** The method asked for, or the best that is possible. */
function choose({ request, offers, facts }: GatheredSource): Offer {
  const wanted = request.method ? offers.find((it) => it.method === request.method) : offers.find((it) => it.possible);
  const where = formatRef(request.ref);
  if (wanted?.possible) {
    if (request.ref.database !== undefined && wanted.method !== 'dump') {
      throw new StillpointError(
        'method-impossible',
        `${where} names one database, and the method ${wanted.method} backs up whole servers only.`,
        {
          next: `Leave out #${request.ref.database}, or use --method dump.`,
        },
      );
    }
    return wanted;
  }
  const tried = wanted ? [wanted] : offers;
  const reasons = tried.flatMap((it) => it.reasons.map((reason) => `${it.method}: ${reason.text}`));
  const why =
    reasons.length > 0 ? reasons.join('; ') : `${facts.engine} has no method ${request.method} in this version`;
  const onlyPrivileges =
    tried.length > 0 &&
    tried.every((it) => it.reasons.length > 0 && it.reasons.every((reason) => reason.code === 'privilege'));
  const inTheWay = tried.some((it) => it.reasons.some((reason) => PASSING.has(reason.code)));
  throw new StillpointError(
    onlyPrivileges ? 'privilege' : inTheWay ? 'preflight' : 'method-impossible',
    `${where} cannot be backed up: ${why}.`,
  );
}

/** Reasons that go away by waiting or by ending a session. */
const PASSING = new Set(['open-writer', 'prepared-transaction', 'autovacuum']);

function needsOf({ facts, login }: GatheredSource, offer: Offer): readonly Need[] {
  return [
    { what: 'privileges', met: true, detail: `${login.user}: ${facts.privileges.join(', ') || 'granted singly'}` },
    { what: 'locks', met: true, detail: `${facts.tables} tables in ${facts.databases.length} databases` },
    { what: 'space', met: true, detail: `at most ${facts.dataBytes} bytes before compression, by ${offer.method}` },
  ];
}

/** Programs alone: their arguments may hold what is not for everybody. */
function withHooks(steps: readonly Step[], { job, hooks }: JobRequest): readonly Step[] {
  const of = (moment: HookMoment, phase: Step['phase'], when: string): readonly Step[] =>
    (hooks?.hooks[moment] ?? []).map(({ run: [program = ''], timeout }) => ({
      phase,
      source: job,
      what: `${when}: run ${program}`,
      limit: timeout,
    }));
  return [
    ...steps.filter((it) => it.phase === 'prepare'),
    ...of('before', 'prepare', 'right before the window'),
    ...of('held', 'window', 'when all is held and flushed'),
    ...steps.filter((it) => it.phase === 'window'),
    ...of('after', 'finish', 'as soon as writes flow'),
    ...steps.filter((it) => it.phase === 'finish'),
  ];
}

/** The same plan told to people, in the order in which it happens. */
function stepsOf(sources: readonly SourcePlan[], held: readonly string[], holdLimit: Millis): readonly Step[] {
  return (['prepare', 'window', 'finish'] as const).flatMap((phase) =>
    sources.flatMap((source) =>
      (STEPS[source.engine]?.[source.method] ?? [])
        .filter((it) => it.phase === phase && (!it.holds || held.includes(source.name)))
        .map((it) => {
          const statement = it.statement === undefined ? undefined : source.statements[it.statement];
          return {
            phase,
            source: source.name,
            what: it.what,
            ...(statement === undefined ? {} : { statement }),
            ...(it.blocks === undefined ? {} : { blocks: it.blocks }),
            ...(it.blocks !== undefined && it.holds ? { limit: holdLimit } : {}),
          };
        }),
    ),
  );
}
