import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from './disk.ts';

/** A process, so that others can tell whether it is still alive. */
export interface Runner {
  readonly host: string;
  /** Changes at every boot: a pid means nothing across it. */
  readonly bootId: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: tells a reused pid. */
  readonly processStart: string;
}

/** `unknown`: it runs on another machine, or in another container of this one. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** The process ids that this process sees are those of its pid namespace: two containers may each have a process 7. */
export const pidNamespace = (): string => readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');

export function liveness(holder: Runner & { readonly namespace: string }, us: Runner): Liveness {
  if (holder.host !== us.host) return 'unknown';
  if (holder.bootId !== us.bootId) return 'dead';
  if (holder.namespace !== pidNamespace()) return 'unknown';
  return startOf(holder.pid) === holder.processStart ? 'alive' : 'dead';
}

/** Field 22 of /proc/PID/stat, counted after the command's closing parenthesis; undefined for no such process. */
function startOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended; only its parent has not noticed.
  return state === 'Z' || state === 'X' ? undefined : fields[18];
}
