import { setTimeout as sleep } from 'node:timers/promises';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { SourcePlan } from '../model/plan.ts';
import type { Instance } from '../runtimes/runtime.ts';

/** A snapshot pins every block that the database overwrites: below this much free space production comes first. */
const LEAST = 256 << 20;
const EVERY = 10_000;

/** Looks after the disk of a server while a snapshot of it is there. `low` aborts with `space-low`; dispose ends the watch. */
export function watchRoom(at: Instance, plan: SourcePlan): AsyncDisposable & { readonly low: AbortSignal } {
  const low = new AbortController();
  const over = new AbortController();
  const { data, log, more } = plan.facts.paths;
  const watch = async (): Promise<void> => {
    for (;;) {
      for (const { path, freeBytes } of await at.volumes([data, log, ...more])) {
        if (freeBytes >= LEAST) continue;
        const free = Math.round(freeBytes / 1e6);
        const text = `Only ${free} MB are free for ${plan.name} (${path}); the snapshot pins space there, and is removed.`;
        throw new StillpointError('space-low', text);
      }
      await sleep(EVERY, undefined, { signal: over.signal, ref: false });
    }
  };
  const watching = watch().catch((cause: unknown) => {
    if (!over.signal.aborted) low.abort(asStillpointError(cause));
  });
  return {
    low: low.signal,
    async [Symbol.asyncDispose]() {
      over.abort();
      await watching;
    },
  };
}
