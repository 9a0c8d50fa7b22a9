import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa, type Options } from 'execa';
import type { Shown } from '../../src/output/results.ts';
import type { Embedded } from '../embedded/postgres.ts';

/** From source: bin/stillpoint.cjs prefers what was built, which may be old. */
export const PROGRAM = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** It has said itself why. */
export class CommandFailed extends Error {}

/** The real command line, run as a child in the server's temporary folder. */
export class Stillpoint {
  readonly #server: Embedded;
  readonly #signal: AbortSignal;

  constructor(server: Embedded, signal: AbortSignal) {
    this.#server = server;
    this.#signal = signal;
  }

  /** What it needs to know besides its arguments. No password is on a command line. */
  static environment(server: Embedded): Record<string, string> {
    return {
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: join(server.folder, 'state'),
      STILLPOINT_SCRATCH: join(server.folder, 'scratch'),
    };
  }

  /** Shows the command, then its own output. Throws when it fails. */
  async run(...args: readonly string[]): Promise<void> {
    process.stdout.write(`\n$ stillpoint ${args.join(' ')}\n`);
    await this.#execute(args, { stdout: 'inherit', stderr: 'inherit' });
  }

  /** The manifest of the backup and its verifications, as data. */
  async show(): Promise<Shown> {
    const { stdout } = await this.#execute(['show', 'latest', '--from', 'backups', '-o', 'json'], {});
    return JSON.parse(String(stdout));
  }

  async #execute(args: readonly string[], options: Options) {
    this.#signal.throwIfAborted();
    // The kernel ends it in order should the demo be killed, and in a session of its own Ctrl-C reaches it once: from us.
    const child = execa('setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, PROGRAM, ...args], {
      ...options,
      cwd: this.#server.folder,
      env: { ...rest(), ...Stillpoint.environment(this.#server) },
      extendEnv: false,
      stdin: 'ignore',
      detached: true,
      cleanup: false,
      reject: false,
    });
    const forward = () => child.kill(this.#signal.reason);
    this.#signal.addEventListener('abort', forward);
    const result = await child;
    this.#signal.removeEventListener('abort', forward);
    this.#signal.throwIfAborted();
    if (result.failed) throw new CommandFailed(`stillpoint ${args[0]} failed with exit code ${result.exitCode}.`);
    return result;
  }
}

/** Our environment without what is set for a Stillpoint in earnest. */
function rest(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STILLPOINT_')));
}
