import { readlink } from 'node:fs/promises';
import { type Runner, stateOf } from '../../hold/runner.ts';

/** Who holds a lock: a process, and the namespace that its number counts in. */
export interface Process extends Runner {
  readonly namespace: string;
}

/** Two containers of one machine may share its name, and each have a process 7. Empty where there is no /proc. */
export const pidNamespace = async (): Promise<string> =>
  (await readlink('/proc/self/ns/pid').catch(() => '')).replaceAll(/\D/g, '');

/** `unknown`: it runs on another machine, or in another container of this one. */
export async function liveness(holder: Process, us: Runner): Promise<'alive' | 'dead' | 'unknown'> {
  const state = await stateOf(holder);
  if (state === 'elsewhere') return 'unknown';
  if (holder.bootId !== us.bootId) return 'dead';
  if (holder.namespace !== (await pidNamespace())) return 'unknown';
  return state === 'dead' ? 'dead' : 'alive';
}
