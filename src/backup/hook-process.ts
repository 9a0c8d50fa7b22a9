import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';

/** How a hook ended: undefined when it did its work; else why not, in words. */
export type HookEnd = string | undefined;

/** Between asking a group to end and ending it. */
const PATIENCE = 2_000;
const LAST_LINES = 3;
const MOST_OUTPUT = 64 << 10;

/**
 * Runs a program in a process group of its own. At the time-out, or when `signal` aborts, all of the group ends: asked
 * first, then killed, or killed at once when there is no time to ask.
 */
export async function runHook(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  { timeout, patient, signal }: { readonly timeout: Millis; readonly patient: boolean; readonly signal?: AbortSignal },
): Promise<HookEnd> {
  if (signal?.aborted) return 'the run was stopped before it';
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { detached: true, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const see = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-MOST_OUTPUT);
  };
  child.stdout.on('data', see);
  child.stderr.on('data', see);
  const kill = (name: NodeJS.Signals): void => {
    try {
      // The whole group: what the hook has started must not outlive its time.
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // ESRCH: nothing of it is left.
    }
  };
  let why: HookEnd;
  let killing: NodeJS.Timeout | undefined;
  const stop = (reason: string): void => {
    why ??= reason;
    kill(patient ? 'SIGTERM' : 'SIGKILL');
    killing ??= setTimeout(() => kill('SIGKILL'), PATIENCE);
  };
  const timer = setTimeout(() => stop(`it did not end within ${Math.round(timeout)} ms`), timeout);
  const stopped = (): void => stop('the run was stopped');
  signal?.addEventListener('abort', stopped, { once: true });
  try {
    const [code, name] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    const end = why ?? (code === 0 ? undefined : code === null ? `it was ended by ${name}` : `exit status ${code}`);
    // The leader has gone; whoever of its group has not is not given more time.
    if (why !== undefined) kill('SIGKILL');
    return end === undefined ? undefined : `${end}${said(output)}`;
  } catch (cause) {
    return `it could not be started: ${messageOf(cause)}`;
  } finally {
    clearTimeout(timer);
    clearTimeout(killing);
    signal?.removeEventListener('abort', stopped);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function said(output: string): string {
  const lines = output.trim().split('\n').slice(-LAST_LINES).join(' | ');
  return lines === '' ? '' : `; it said: ${lines}`;
}
