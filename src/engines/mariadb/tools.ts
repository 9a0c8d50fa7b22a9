import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance, Process } from '../../runtimes/runtime.ts';

/** A dump may take days; only its end, its failure or ours ends it. (Timers cannot count further than 24 days.) */
export const NO_LIMIT = 20 * 24 * 3_600_000;
const QUICK = 10_000;

/** How the server's own mariadb-dump logs in: by an option file on its standard input, which nobody else can read. */
export function optionFile(at: Instance, login: Login, endpoint: Instance['endpoints'][number]): string {
  const where =
    'socket' in endpoint
      ? ['protocol=socket', `socket=${quoted(endpoint.socket)}`]
      : ['protocol=tcp', `host=${at.ref.kind === 'url' ? at.ref.host : '127.0.0.1'}`, `port=${endpoint.port}`];
  const password = login.password === undefined ? [] : [`password=${quoted(login.password.reveal())}`];
  return ['[client]', ...where, `user=${quoted(login.user)}`, ...password, ''].join('\n');
}

/** As option files quote (manual: option files, escape sequences). */
const quoted = (value: string): string =>
  `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}"`;

/**
 * Starts one of the server's own programs, where the server runs. It waits, before it connects, for its option file:
 * `optionFile` on its standard input lets it go. Nothing of the container's own option files applies.
 */
export async function startTool(at: Instance, program: string, args: readonly string[]): Promise<Process> {
  const argv = [programOf(at, program), '--defaults-file=/dev/stdin', ...args];
  const process = await at.exec(argv, { env: { LC_ALL: 'C' }, limit: NO_LIMIT });
  // Whoever reads its output is told; nobody may be reading yet.
  process.stdout.on('error', () => undefined);
  process.stdin.on('error', () => undefined);
  return process;
}

const isServer = (executable: string): boolean => ['mariadbd', 'mysqld'].includes(basename(executable));

/** Beside the server where it is installed by itself; Debian and the official images put clients where PATH finds them. */
function programOf(at: Instance, name: string): string {
  const server = at.evidence.processes.find((it) => isServer(it.executable));
  const folder = server === undefined ? '' : dirname(server.executable);
  return folder.endsWith('/bin') && folder !== '/bin' ? join(folder, name) : name;
}

/** Why a dump cannot be made with the server's own program; undefined when it can. */
export async function toolsOutOfReach(at: Instance, version: string): Promise<string | undefined> {
  if (!at.evidence.processes.some((it) => isServer(it.executable)) && at.runtime === 'host')
    return `${formatRef(at.ref)} does not run on this machine, and a dump is made with the server's own mariadb-dump`;
  const program = programOf(at, 'mariadb-dump');
  try {
    await using process = await at.exec([program, '--version'], { limit: QUICK });
    process.stdin.end();
    const said = (await text(process.stdout)).trim();
    const { code, stderr } = await process.exit;
    // `mariadb-dump  Ver 10.19 Distrib 10.11.18-MariaDB, for …`, from 11.0 on `mariadb-dump from 11.8.6-MariaDB, client 10.19 for …`
    const its = /(\d+\.\d+)\.\d+-MariaDB/.exec(said)?.[1];
    if (code !== 0 || its === undefined)
      return `${program} does not run there: ${lastLines(stderr || said) || `exit status ${code}`}`;
    if (!version.startsWith(`${its}.`))
      return `${program} is of version ${its} and the server of version ${version}: what it leaves out nobody would notice`;
    return undefined;
  } catch (cause) {
    return `${program} cannot be run: ${messageOf(cause).replace(/\.$/, '')}`;
  }
}

/** What mariadb-dump writes last: nothing follows, so whoever has it has all of it. */
const LAST = /\n-- Dump completed on [\d-]+ +[\d:]+\n$/;
const KEPT = 256;

/**
 * What mariadb-dump prints, as a stream that ends only when the program ended well and its last line was there;
 * otherwise it errors, with the program's own words. The program is ended when the stream is given up or `signal` aborts.
 */
export function outputOf(process: Process, what: string, signal: AbortSignal, see?: (chunk: Buffer) => void): Readable {
  const end = (): void => void process[Symbol.asyncDispose]();
  signal.addEventListener('abort', end, { once: true });
  async function* read(): AsyncGenerator<Buffer, void, undefined> {
    await using _ = process;
    let tail = '';
    try {
      for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
        see?.(chunk);
        tail = (tail + chunk.subarray(-KEPT).toString('latin1')).slice(-KEPT);
        yield chunk;
      }
      signal.throwIfAborted();
      const { code, stderr } = await process.exit;
      if (code !== 0) throw endedBadly(what, code, stderr);
      if (!LAST.test(tail))
        throw new StillpointError('backup-failed', `${what} was cut short: its last line is not the one it ends with.`);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof StillpointError) throw cause;
      throw new StillpointError('backup-failed', `The stream of ${what} was cut short: ${messageOf(cause)}.`, {
        cause,
      });
    } finally {
      signal.removeEventListener('abort', end);
    }
  }
  return Readable.from(read(), { objectMode: false });
}

function endedBadly(what: string, code: number, stderr: string): StillpointError {
  const said = lastLines(stderr) || 'it said nothing';
  // InnoDB refuses to show an older view a table that was made anew since (ER_TABLE_DEF_CHANGED), and the server to
  // describe one that is being changed (ER_WARN_I_S_SKIPPED_TABLE).
  if (/\((1412|1684)\)|definition has changed|definition is being modified/.test(said)) {
    return new StillpointError(
      'source-changed',
      `A table was changed after the point of this backup and before it was read: ${said}`,
      {
        next: 'Run it again when the change of the schema is done.',
      },
    );
  }
  const how = code > 128 ? `was ended by signal ${code - 128}` : `failed with exit status ${code}`;
  return new StillpointError('backup-failed', `${what} ${how}: ${said}`);
}

/** Enough of what a program said to act on. */
export const lastLines = (said: string): string => said.trim().split('\n').slice(-4).join(' | ');
