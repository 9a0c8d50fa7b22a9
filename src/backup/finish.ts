import type { Captured } from '../engines/capture.ts';
import type { OpenCaptures } from './prepare.ts';
import type { Storage } from './storage.ts';

/** Everything after resume: the rest of the log, the dump, the fingerprint. By source name. */
export async function finishAll(captures: OpenCaptures, storage: Storage): Promise<Readonly<Record<string, Captured>>> {
  const finished: Record<string, Captured> = {};
  for (const { plan, capture, put, signal } of captures) {
    finished[plan.name] = await capture.finish(put, storage.files(plan.name), signal);
    signal.throwIfAborted();
  }
  return finished;
}
