import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { messageOf, StillpointError } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';

/** Programs that handle disks are where a cron job's PATH does not look. */
const PLACES = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/**
 * Runs a program to its end, in a process group that is ended as a whole at `limit`; what it printed. Throws `not-found`
 * when it cannot be started, `backup-failed` with its own words when it fails or does not end in time.
 */
export async function runProgram(argv: readonly string[], limit: Millis): Promise<string> {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, {
    detached: true,
    env: { PATH: [process.env.PATH ?? '', ...PLACES].join(':'), LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new StillpointError('not-found', `The program ${program} cannot be started: ${messageOf(cause)}.`, { cause });
  });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const over = new AbortController();
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    over.abort();
  }, limit);
  try {
    // A program that waits for a disk cannot be ended: nobody waits for it longer than the limit.
    const [code] = (await once(child, 'close', { signal: over.signal })) as [number | null];
    const [stdout, stderr] = await said;
    if (code === 0) return stdout;
    throw new StillpointError('backup-failed', `${argv.join(' ')} failed: ${stderr.trim() || stdout.trim() || code}.`);
  } catch (cause) {
    if (!over.signal.aborted) throw cause;
    const text = `${argv.join(' ')} had not ended after ${limit} ms and was killed.`;
    throw new StillpointError('backup-failed', text, { cause });
  } finally {
    clearTimeout(timer);
  }
}
