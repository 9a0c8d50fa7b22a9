import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login, Secret } from '../../model/secret.ts';
import type { Instance, Process } from '../../runtimes/runtime.ts';

/** A dump may take days; only its end, its failure or ours ends it. (Timers cannot count further than 24 days.) */
const NO_LIMIT = 20 * 24 * 3_600_000;
const QUICK = 10_000;

/** The server's own programs, run where the server runs, against the server. Never the runner's: they may be older. */
export interface Tools {
  /** Starts one; `database` is where it logs in to. */
  start(program: string, args: readonly string[], database: string): Promise<Process>;
}

export function toolsOf(
  at: Instance,
  login: Login,
  application: string,
  endpoint: Instance['endpoints'][number],
  programs: string | undefined,
): Tools {
  const env = { ...connection(at, login, endpoint), PGAPPNAME: application };
  return {
    async start(program, args, database) {
      const argv = [programOf(at, programs, program), ...args];
      const process = await at.exec(argv, { env: { ...env, PGDATABASE: database }, limit: NO_LIMIT });
      // Whoever reads its output is told; nobody may be reading yet.
      process.stdout.on('error', () => undefined);
      process.stdin.on('error', () => undefined).end();
      return process;
    },
  };
}

/** What libpq needs to know, by the child's environment: a command line is public. */
export function connection(
  at: Instance,
  login: Login,
  endpoint: Instance['endpoints'][number],
): Readonly<Record<string, string | Secret>> {
  const where =
    'socket' in endpoint
      ? { PGHOST: dirname(endpoint.socket), PGPORT: basename(endpoint.socket).replace('.s.PGSQL.', '') }
      : { PGHOST: at.ref.kind === 'url' ? at.ref.host : '127.0.0.1', PGPORT: String(endpoint.port) };
  return {
    ...where,
    PGUSER: login.user,
    ...(login.password === undefined ? {} : { PGPASSWORD: login.password }),
    PGCONNECT_TIMEOUT: '10',
    // Not what the container's own environment may say.
    PGOPTIONS: '',
    LC_ALL: 'C',
  };
}

/** Beside the server that runs: a machine may have several versions, and Debian's wrapper would choose one by itself. */
export function programOf(at: Instance, programs: string | undefined, name: string): string {
  const server = at.evidence.processes.find((it) => ['postgres', 'postmaster'].includes(basename(it.executable)));
  const folder = server?.executable.startsWith('/') ? dirname(server.executable) : programs;
  return folder === undefined ? name : join(folder, name);
}

/** Why a dump cannot be made with the server's own programs; undefined when it can. */
export async function toolsOutOfReach(
  at: Instance,
  major: number,
  programs: string | undefined,
  needed: readonly string[] = ['pg_dump', 'pg_dumpall'],
): Promise<string | undefined> {
  const server = at.evidence.processes.some((it) => ['postgres', 'postmaster'].includes(basename(it.executable)));
  if (!server && at.runtime === 'host')
    return `${formatRef(at.ref)} does not run on this machine, and the work is done with the server's own ${needed[0]}`;
  for (const name of needed) {
    const program = programOf(at, programs, name);
    try {
      await using process = await at.exec([program, '--version'], { limit: QUICK });
      process.stdin.end();
      const said = (await text(process.stdout)).trim();
      const { code, stderr } = await process.exit;
      // `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
      const version = /\(PostgreSQL\) (\d+)/.exec(said)?.[1];
      if (code !== 0 || version === undefined)
        return `${program} does not run there: ${lastLines(stderr || said) || `exit status ${code}`}`;
      if (Number(version) !== major)
        return `${program} is of version ${version} and the server of version ${major}: what it leaves out nobody would notice`;
    } catch (cause) {
      return `${program} cannot be run: ${messageOf(cause).replace(/\.$/, '')}`;
    }
  }
  return undefined;
}

/** Follows a stream and says at its end what is missing. */
export interface Follower {
  see(chunk: Buffer): void;
  missing(): string | undefined;
}

/**
 * What a program prints, as a stream that ends only when the program ended well and all of it was there; otherwise it
 * errors, with the program's own words. The program is ended when the stream is given up or `signal` aborts.
 */
export function outputOf(process: Process, what: string, follower: Follower, signal: AbortSignal): Readable {
  const end = (): void => void process[Symbol.asyncDispose]();
  signal.addEventListener('abort', end, { once: true });
  async function* read(): AsyncGenerator<Buffer, void, undefined> {
    await using _ = process;
    try {
      for await (const chunk of process.stdout) {
        follower.see(chunk as Buffer);
        yield chunk as Buffer;
      }
      signal.throwIfAborted();
      await endedWell(process, what);
      const missing = follower.missing();
      if (missing !== undefined) throw new StillpointError('backup-failed', `${what} was cut short: ${missing}.`);
    } catch (cause) {
      signal.throwIfAborted();
      throw await failureOf(process, what, cause);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }
  return Readable.from(read(), { objectMode: false });
}

async function endedWell(process: Process, what: string): Promise<void> {
  const { code, stderr } = await process.exit;
  if (code === 0) return;
  const how = code > 128 ? `was ended by signal ${code - 128}` : `failed with exit status ${code}`;
  throw new StillpointError('backup-failed', `${what} ${how}: ${lastLines(stderr) || 'it said nothing'}`);
}

/** A broken stream often has its cause in what the program said last. */
async function failureOf(process: Process, what: string, cause: unknown): Promise<StillpointError> {
  if (cause instanceof StillpointError) return cause;
  const stderr = await process.exit.then(
    (it) => it.stderr,
    (error: unknown) => messageOf(error),
  );
  return new StillpointError(
    'backup-failed',
    `The stream of ${what} was cut short: ${messageOf(cause)}. ${lastLines(stderr)}`.trim(),
    { cause },
  );
}

/** Enough of what a program said to act on. */
export const lastLines = (text: string): string => text.trim().split('\n').slice(-4).join(' | ');
