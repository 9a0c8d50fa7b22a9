import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { Secret } from '../../model/secret.ts';
import type { Owner } from '../extract.ts';
import type { Instance, Process } from '../runtime.ts';

/** Runs a program of this machine in its own process group, so that the whole group can be ended. */
export async function execOnHost(
  argv: readonly string[],
  how: Parameters<Instance['exec']>[1],
  as?: Owner,
): Promise<Process> {
  const [program = '', ...rest] = argv;
  const env = Object.fromEntries(
    Object.entries(how.env ?? {}).map(([key, value]) => [key, value instanceof Secret ? value.reveal() : value]),
  );
  const child = spawn(program, rest, {
    detached: true,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...as,
  });
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new StillpointError('not-found', `The program ${program} cannot be started: ${messageOf(cause)}.`, { cause });
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-16_384);
  });
  const timer = setTimeout(() => endGroup(child), how.limit);
  const exit = once(child, 'close').then(([code, signal]: unknown[]) => {
    clearTimeout(timer);
    if (typeof code === 'number') return { code, stderr };
    throw new StillpointError('backup-failed', `${program} was ended by ${String(signal)} before it was done.`);
  });
  exit.catch(() => undefined);
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    exit,
    async [Symbol.asyncDispose]() {
      endGroup(child);
      await exit.catch(() => undefined);
    },
  };
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, 'SIGKILL');
}
