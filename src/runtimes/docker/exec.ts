import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { Secret } from '../../model/secret.ts';
import type { Instance, Process } from '../runtime.ts';
import { dockerError } from './api.ts';
import { demultiplex } from './frames.ts';

type How = Parameters<Instance['exec']>[1];

/** Becomes the tool; says before who it is, so that the guard can end it: exec gives each its own process group. */
const TOOL = 'command -v "$1" >/dev/null 2>&1 || { echo - >&2; exit 127; }; echo "$$" >&2; exec "$@"';

/**
 * Waits for a word from us. Without one (we are dead, or want the tool gone) it ends the tool: Docker would let it run on
 * for ever, with its transaction open. It ends that one process, known by its start time, and its group only where $2
 * says that process 1 is an init: orphans go to process 1, and a PostgreSQL that is process 1 takes an orphan that was
 * ended by a signal for a crashed session of its own, and restarts (tried on 15.18).
 */
const GUARD = `tool=$1 whole=$2
look() { since=; read -r stat <"/proc/$tool/stat" && set -- \${stat##*") "} && since=\${20}; } 2>/dev/null
look; first=$since
read -r word && [ "$word" = done ] && exit 0
for signal in TERM KILL; do
  look; [ -n "$since" ] && [ "$since" = "$first" ] || exit 0
  kill -s "$signal" -- "$whole$tool"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    look; [ -n "$since" ] || exit 0
    sleep 0.1
  done
done`;

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
  /** The image has one; the guard needs it. */
  readonly shell: boolean;
  /** Process 1 is there to adopt orphans, whatever they died of. */
  readonly init: boolean;
}

/** Runs a program in a container. Its status comes from Docker after the stream's end; none, or a process that still runs, is a failure. */
export async function execIn(
  place: Place,
  argv: readonly string[],
  how: How,
  heard: (stderr: string) => void = () => undefined,
): Promise<Process> {
  const [program = ''] = argv;
  const what = `${program} in ${place.name}`;
  const { exec, socket } = await begin(place, place.shell ? ['sh', '-c', TOOL, 'stillpoint', ...argv] : argv, how);
  let stderr = '';
  const pid = Promise.withResolvers<string>();
  if (!place.shell) pid.resolve('');
  let announced = !place.shell;
  const decoder = new StringDecoder('utf8');
  const stdout = demultiplex(socket, (chunk) => {
    let text = decoder.write(chunk);
    if (!announced) {
      text = stderr + text;
      const end = text.indexOf('\n');
      stderr = '';
      announced = end >= 0;
      if (announced) pid.resolve(text.slice(0, end));
      else {
        stderr = text;
        return;
      }
      text = text.slice(end + 1);
    }
    heard(text);
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const streamEnd = Promise.withResolvers<void>();
  socket.once('close', () => streamEnd.resolve());
  socket.once('end', () => streamEnd.resolve());
  void streamEnd.promise.then(() => pid.resolve('-'));

  const group = await pid.promise;
  if (group === '-') {
    stdout.resume();
    throw new StillpointError('not-found', `${program} is not a program of ${place.name}. ${stderr}`.trim());
  }
  const guard = place.shell
    ? await begin(place, ['sh', '-c', GUARD, 'stillpoint', group, place.init ? '-' : ''], { user: how.user })
    : undefined;
  guard?.socket.resume().on('error', () => undefined);

  let ending: string | undefined;
  const end = (why: string): void => {
    ending ??= why;
    if (!guard) socket.destroy();
    else guard.socket.end().once('close', () => setTimeout(() => socket.destroy(), ORPHANS_LIMIT).unref());
  };
  const timer = setTimeout(() => end(`was ended: it was not done after ${how.limit / 1000} s`), how.limit);
  const exit = (async () => {
    await streamEnd.promise;
    clearTimeout(timer);
    const code = await statusOfExec(exec, what);
    guard?.socket.end('done\n');
    if (ending !== undefined) throw new StillpointError('backup-failed', `${what} ${ending}.`);
    if (stdout.errored)
      throw new StillpointError('backup-failed', `${what}: ${stdout.errored.message}.`, { cause: stdout.errored });
    return { code, stderr };
  })();
  exit.catch(() => undefined);
  return {
    stdin: socket,
    stdout,
    exit,
    async [Symbol.asyncDispose]() {
      end('was ended before it was done');
      // What it still prints must not keep it from ending.
      stdout.resume();
      await Promise.race([exit.catch(() => undefined), sleep(END_LIMIT, undefined, { ref: false })]);
      stdout.destroy();
      guard?.socket.destroy();
    },
  };
}

async function begin(
  { docker, id, name }: Place,
  argv: readonly string[],
  { env = {}, user }: { readonly env?: How['env']; readonly user?: string | undefined },
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

/** The exit status. A missing one is a failure: a cut stream must not pass for a short success. */
async function statusOfExec(exec: Docker.Exec, what: string): Promise<number> {
  const deadline = performance.now() + STATUS_LIMIT;
  for (;;) {
    const info = await exec.inspect().catch((cause: unknown) => {
      throw new StillpointError('backup-failed', `How ${what} ended is not known: ${messageOf(cause)}.`, { cause });
    });
    if (!info.Running && info.ExitCode !== null) return info.ExitCode;
    if (performance.now() > deadline) {
      const state = info.Running ? 'its stream ended while it still runs' : 'Docker has no exit status for it';
      throw new StillpointError('backup-failed', `How ${what} ended is not known: ${state}.`);
    }
    await sleep(20);
  }
}
