import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { Secret } from '../../model/secret.ts';
import type { Instance, Process } from '../runtime.ts';
import { dockerError } from './api.ts';
import { demultiplex } from './frames.ts';
import { ANNOUNCED, GUARD, TOOL } from './supervision.ts';

type How = Parameters<Instance['exec']>[1];

const STDERR_KEPT = 16_384;
/** After its stream's end the daemon may take a moment to notice that the process has ended. */
const STATUS_LIMIT = 5_000;
const END_LIMIT = 15_000;
/** A process that the ended tool had started may keep its output open. */
const ORPHANS_LIMIT = 1_000;

/** Where to run. */
export interface Place {
  readonly docker: Docker;
  readonly id: string;
  readonly name: string;
  /** The image has one; without it a tool is not supervised. */
  readonly shell: boolean;
  /** Process 1 is there to adopt orphans, whatever they died of. */
  readonly init: boolean;
}

/** Runs a tool under supervision. Its status comes from Docker after the stream's end; none, or a stream without its end, is a failure. */
export async function execIn(
  place: Place,
  argv: readonly string[],
  how: How,
  heard: (stderr: string) => void = () => undefined,
): Promise<Process> {
  if (!place.shell) return attach(place, argv, how, heard);
  const mark = randomBytes(8).toString('hex');
  const announced = Promise.withResolvers<readonly string[]>();
  let waiting = '';
  let told = false;
  const process = await attach(place, ['sh', '-c', TOOL, 'stillpoint', mark, ...argv], how, heard, {
    what: argv[0] ?? '',
    mark,
    opened: announced.promise,
    // Its first line is not the tool's: it says who the tool is.
    strip(text) {
      if (told) return text;
      waiting += text;
      const line = ANNOUNCED.exec(waiting);
      if (!line) return '';
      told = true;
      announced.resolve(line.slice(1));
      return waiting.slice(line[0].length);
    },
  });
  void process.exit.catch(() => undefined).then(() => announced.resolve([]));
  const [tool, group] = await announced.promise;
  if (tool === undefined || tool === '-') {
    process.stdout.resume();
    await process[Symbol.asyncDispose]();
    throw tool === '-'
      ? new StillpointError('not-found', `${argv[0]} is not a program of ${place.name}.`)
      : new StillpointError('backup-failed', `${argv[0]} could not be started in ${place.name}: ${waiting.trim()}`);
  }
  return guarded(place, process, tool, place.init ? `-${group}` : tool, how);
}

/** Ends the tool when we say so, or no longer say anything. */
async function guarded(
  place: Place,
  { stdin, stdout, exit: ended }: Process,
  tool: string,
  target: string,
  how: How,
): Promise<Process> {
  const argv = ['sh', '-c', GUARD, 'stillpoint', tool, target];
  const { socket: guard } = await begin(place, argv, how.user === undefined ? {} : { user: how.user });
  guard.on('error', () => undefined).resume();
  let ending: string | undefined;
  const end = (why: string): void => {
    if (ending === undefined)
      guard.end().once('close', () => setTimeout(() => stdout.destroy(), ORPHANS_LIMIT).unref());
    ending ??= why;
  };
  const timer = setTimeout(() => end(`was ended: it was not done after ${how.limit / 1000} s`), how.limit);
  const exit = ended.then(
    (result) => {
      if (ending !== undefined) throw new StillpointError('backup-failed', `A program in ${place.name} ${ending}.`);
      guard.end('done\n');
      return result;
    },
    (cause: unknown) => {
      if (ending !== undefined)
        throw new StillpointError('backup-failed', `A program in ${place.name} ${ending}.`, { cause });
      // Its stream is gone, but perhaps not the tool.
      end('was lost');
      throw cause;
    },
  );
  void exit.catch(() => undefined).finally(() => clearTimeout(timer));
  return {
    stdin,
    stdout,
    exit,
    async [Symbol.asyncDispose]() {
      end('was ended before it was done');
      // What it still prints must not keep it from ending.
      stdout.resume();
      await Promise.race([exit.catch(() => undefined), sleep(END_LIMIT, undefined, { ref: false })]);
      stdout.destroy();
      guard.destroy();
    },
  };
}

interface Supervised {
  readonly what: string;
  /** How its output must end, followed by the status; it is taken off. */
  readonly mark: string;
  /** Until then stdout is not read by anybody. */
  readonly opened: Promise<unknown>;
  readonly strip: (stderr: string) => string;
}

/** A process of its own in the container, its streams and its status. Nothing ends it but itself. */
async function attach(
  place: Place,
  argv: readonly string[],
  how: How,
  heard: (stderr: string) => void,
  supervised?: Supervised,
): Promise<Process> {
  const what = `${supervised?.what ?? argv[0]} in ${place.name}`;
  const { exec, socket } = await begin(place, argv, how);
  let stderr = '';
  const decoder = new TextDecoder();
  const stdout = demultiplex(
    socket,
    (chunk) => {
      const raw = decoder.decode(chunk, { stream: true });
      const text = supervised ? supervised.strip(raw) : raw;
      heard(text);
      stderr = (stderr + text).slice(-STDERR_KEPT);
    },
    supervised,
  );
  const exit = (async () => {
    await new Promise<void>((resolve) => socket.once('close', resolve).once('end', resolve));
    const code = await statusOf(exec, what);
    if (stdout.errored)
      throw new StillpointError('backup-failed', `${what}: ${stdout.errored.message}.`, { cause: stdout.errored });
    return { code, stderr };
  })();
  exit.catch(() => undefined);
  const timer = supervised ? undefined : setTimeout(() => socket.destroy(), how.limit);
  void exit.catch(() => undefined).finally(() => clearTimeout(timer));
  return {
    stdin: socket,
    stdout,
    exit,
    async [Symbol.asyncDispose]() {
      stdout.destroy();
      socket.destroy();
      await exit.catch(() => undefined);
    },
  };
}

async function begin(
  { docker, id, name }: Place,
  argv: readonly string[],
  { env = {}, user }: Pick<How, 'env' | 'user'>,
): Promise<{ exec: Docker.Exec; socket: Duplex }> {
  try {
    const exec = await docker.getContainer(id).exec({
      Cmd: [...argv],
      // Not in argv: Docker tells that to everybody who may list processes or read its events.
      Env: Object.entries(env).map(([key, value]) => `${key}=${value instanceof Secret ? value.reveal() : value}`),
      ...(user === undefined ? {} : { User: user }),
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    return { exec, socket: await exec.start({ hijack: true, stdin: true }) };
  } catch (cause) {
    throw dockerError(cause, `${argv[0]} cannot be run in ${name}`);
  }
}

/** The exit status as Docker tells it. A missing one is a failure. */
async function statusOf(exec: Docker.Exec, what: string): Promise<number> {
  const deadline = performance.now() + STATUS_LIMIT;
  for (;;) {
    const info = await exec.inspect().catch((cause: unknown) => {
      throw new StillpointError('backup-failed', `How ${what} ended is not known: ${messageOf(cause)}.`, { cause });
    });
    if (info.Running === false && typeof info.ExitCode === 'number') return info.ExitCode;
    if (performance.now() > deadline) {
      const state = info.Running ? 'its stream ended while it still runs' : 'Docker has no exit status for it';
      throw new StillpointError('backup-failed', `How ${what} ended is not known: ${state}.`);
    }
    await sleep(20);
  }
}
