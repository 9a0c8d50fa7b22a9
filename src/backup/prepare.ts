import type { Capture } from '../engines/capture.ts';
import { StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import type { Plan, SourcePlan } from '../model/plan.ts';
import type { Put } from '../repositories/repository.ts';
import type { Gathered, GatheredSource } from './gather.ts';
import type { World } from './world.ts';

/** One source under way: its plan, its capture, and where its streams go. */
export interface OpenCapture {
  readonly plan: SourcePlan;
  readonly source: GatheredSource;
  readonly capture: Capture;
  readonly put: Put;
  readonly signal: AbortSignal;
}

export type OpenCaptures = readonly OpenCapture[] & AsyncDisposable;

/** Opens the captures of all sources; holds nothing. Dispose ends all of them, whatever any of them says. */
export async function openAll(
  world: World,
  plan: Plan,
  gathered: Gathered,
  put: Put,
  signal: AbortSignal,
): Promise<OpenCaptures> {
  const stack = new AsyncDisposableStack();
  try {
    const open: OpenCapture[] = [];
    for (const sourcePlan of plan.sources) {
      signal.throwIfAborted();
      const source = gathered.sources.find((it) => it.request.name === sourcePlan.name);
      if (!source)
        throw new StillpointError('internal', `The plan names a source ${sourcePlan.name} that was not gathered.`);
      const tell = (step: string, text: string): void =>
        world.emit({ event: 'step', source: sourcePlan.name, step, text });
      const capture = stack.use(
        await source.engine.capture(source.instance, source.login, sourcePlan, {
          id: plan.id,
          holdLimit: plan.holdLimit,
          tell,
        }),
      );
      open.push({ plan: sourcePlan, source, capture, put: telling(put, sourcePlan, world.emit), signal });
    }
    return Object.assign(open, { [Symbol.asyncDispose]: () => stack.disposeAsync() });
  } catch (cause) {
    await stack.disposeAsync();
    throw cause;
  }
}

/** Everything that may take hours and hinders nobody. One source after the other: they share disks and network. */
export async function prepareAll(captures: OpenCaptures): Promise<void> {
  for (const { capture, put, signal } of captures) {
    await capture.prepare(put, signal);
    signal.throwIfAborted();
  }
}

const PROGRESS_EVERY = 250;

/** The repository's put, telling how far it is. */
function telling(put: Put, source: SourcePlan, emit: Emit): Put {
  return async (artifact, plain) => {
    const start = performance.now();
    let last = start;
    const total = artifact === `${source.name}.base.tar` ? { totalBytes: source.facts.dataBytes } : {};
    const stored = await put(artifact, plain, (plainBytes, storedBytes) => {
      const now = performance.now();
      if (now - last < PROGRESS_EVERY) return;
      last = now;
      emit({ event: 'progress', source: source.name, artifact, plainBytes, storedBytes, ...total });
    });
    emit({
      event: 'stored',
      source: source.name,
      artifact,
      plainBytes: stored.plainBytes,
      storedBytes: stored.storedBytes,
      millis: performance.now() - start,
    });
    return stored;
  };
}
