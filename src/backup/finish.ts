import type { Captured } from '../engines/capture.ts';
import type { OpenCaptures } from './prepare.ts';
import type { Window } from './window.ts';

/** Everything after resume: the rest of the log, the dump, the fingerprint. By source name. */
export async function finishAll(captures: OpenCaptures, _window: Window): Promise<Readonly<Record<string, Captured>>> {
  const finished: Record<string, Captured> = {};
  for (const { plan, capture, put, signal } of captures) {
    finished[plan.name] = await capture.finish(put, undefined, signal);
    signal.throwIfAborted();
  }
  return finished;
}
