import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
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
  const started = await start(argv);
  started.child.stdin.end();
  return endOf(started, argv, limit);
}

/** A program that has all but the last of its arguments and waits for that. Disposed of without it, it never runs. */
export interface WaitingProgram extends Disposable {
  /** Once; as `runProgram`. */
  run(argument: string, limit: Millis): Promise<string>;
}

/**
 * Starting a program takes a process of our size 4 ms or more, in which nothing else goes on; one that waits takes 1 ms.
 * xargs is what waits: it runs nothing when we die before the word is given, for then its input ends.
 */
export const startWaiting = (argv: readonly string[]): Promise<WaitingProgram> =>
  startReading(['xargs', '-0', '-r', ...argv], '\0', argv);

/** A program that reads its last argument, up to `end`, from its input, and does nothing when that ends without it; `told` is what its errors name. */
export async function startReading(
  argv: readonly string[],
  end: string,
  told: readonly string[],
): Promise<WaitingProgram> {
  const started = await start(argv);
  return {
    run(argument, limit) {
      started.child.stdin.end(`${argument}${end}`);
      return endOf(started, [...told, argument], limit);
    },
    [Symbol.dispose]: () => void started.child.stdin.end(),
  };
}

interface Started {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Its exit code; null when it was killed. */
  readonly ended: Promise<number | null>;
  readonly said: Promise<readonly [string, string]>;
}

async function start([program = '', ...rest]: readonly string[]): Promise<Started> {
  const child = spawn(program, rest, {
    detached: true,
    env: { PATH: [process.env.PATH ?? '', ...PLACES].join(':'), LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  // What ends before it has read its input says by its end why.
  child.stdin.on('error', () => undefined);
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new StillpointError('not-found', `The program ${program} cannot be started: ${messageOf(cause)}.`, { cause });
  });
  return { child, ended, said: Promise.all([text(child.stdout), text(child.stderr)]) };
}

async function endOf({ child, ended, said }: Started, argv: readonly string[], limit: Millis): Promise<string> {
  const over = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    const text = `${argv.join(' ')} had not ended after ${limit} ms and was killed.`;
    over.reject(new StillpointError('backup-failed', text));
  }, limit);
  try {
    // A program that waits for a disk cannot be ended: nobody waits for it longer than the limit.
    const code = await Promise.race([ended, over.promise]);
    const [stdout, stderr] = await said;
    if (code === 0) return stdout;
    throw new StillpointError('backup-failed', `${argv.join(' ')} failed: ${stderr.trim() || stdout.trim() || code}.`);
  } finally {
    clearTimeout(timer);
  }
}
