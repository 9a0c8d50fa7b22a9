import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Who a lock or a journal entry belongs to: enough to tell a dead owner, a reused pid and another boot apart. */
export interface Runner {
  readonly host: string;
  readonly bootId: string;
  readonly pid: number;
  /** Start in clock ticks since boot, proc(5) stat field 22; empty where there is no /proc. */
  readonly processStart: string;
}

export type RunnerState = 'alive' | 'stopped' | 'dead' | 'elsewhere';

/** This process. */
export async function thisRunner(): Promise<Runner> {
  return {
    host: hostname(),
    bootId: await bootId(),
    pid: process.pid,
    processStart: (await statOf(process.pid))?.start ?? '',
  };
}

/** Whether the runner still runs. `stopped`: it exists but was suspended (SIGSTOP, a debugger). */
export async function stateOf(runner: Runner): Promise<RunnerState> {
  if (runner.host !== hostname()) return 'elsewhere';
  if (runner.bootId !== (await bootId())) return 'dead';
  const stat = await statOf(runner.pid);
  if (!stat || stat.start !== runner.processStart || stat.state === 'Z' || stat.state === 'X') return 'dead';
  return stat.state === 'T' || stat.state === 't' ? 'stopped' : 'alive';
}

const bootId = async (): Promise<string> =>
  (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();

async function statOf(pid: number): Promise<{ state: string; start: string } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name in brackets may itself contain brackets and spaces.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && { state: fields[0] ?? '', start: fields[19] ?? '' };
}
