import { fileURLToPath } from 'node:url';
import { execa, type Options } from 'execa';
import type { Shown } from '../../src/output/results.ts';

/** From source: bin/stillpoint.cjs prefers what was built, which may be old. */
export const PROGRAM = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** It has said itself why. */
export class CommandFailed extends Error {}

/** Where a demo's commands run. No password is on a command line: the environment names its file. */
export interface Place {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** The real command line, run as a child in the demo's temporary folder. */
export class Stillpoint {
  readonly #place: Place;
  readonly #signal: AbortSignal;

  constructor(place: Place, signal: AbortSignal) {
    this.#place = place;
    this.#signal = signal;
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
      cwd: this.#place.folder,
      env: { ...rest(), ...this.#place.environment },
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
