import { type ChildProcess, spawn } from 'node:child_process';
import { StillpointError } from '../model/errors.ts';
import type { RunId } from '../model/id.ts';
import type { Millis } from '../model/time.ts';
import type { SourceChange } from './journal.ts';
import { type Runner, thisRunner } from './runner.ts';

/** What a guard looks after. */
export interface Guarded {
  readonly run: RunId;
  /** After this a runner that is stopped counts as dead. */
  readonly within: Millis;
  readonly servers: readonly {
    readonly ref: string;
    readonly engine: string;
    readonly login: { readonly user: string; readonly password?: string; readonly database?: string };
    readonly changes: readonly SourceChange[];
  }[];
}

/** What a guard is told: over a channel of its own, because it holds passwords. */
export interface Watch extends Guarded {
  readonly runner: Runner;
}

/** What a guard says: that it watches, having asked every server once; and at the end what it could not take back. */
export type GuardWord = { readonly ready: true } | { readonly left: readonly string[] };

/** A process beside the run that outlives it. Whatever the run has left of its changes when it ends, the guard takes back. */
export interface Guard {
  /** The run is over: what is still changed is taken back; returns what could not be. */
  end(): Promise<readonly string[]>;
}

const START_LIMIT = 15_000;
const END_LIMIT = 15_000;

/**
 * Starts the guard and returns when it is proven alive: it has logged in to every server by itself. It is a session of its
 * own, so that neither Ctrl-C nor a closed terminal nor SIGSTOP to the run's group reaches it. Throws `hold-refused`.
 */
export async function startGuard(argv: readonly string[], over: Guarded): Promise<Guard> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  child.once('error', () => undefined);
  const watch: Watch = { ...over, runner: await thisRunner() };
  child.send(watch);
  const first = await nextWord(child, START_LIMIT);
  if (!first || !('ready' in first)) {
    child.kill('SIGKILL');
    const why = first && 'left' in first ? first.left.join('; ') : 'it did not answer';
    throw new StillpointError(
      'hold-refused',
      `The guard that would take a changed setting back if this run died cannot watch: ${why}.`,
      { next: 'Run it again; as long as no guard watches, no server is changed.' },
    );
  }
  // The run need not wait for it to end; and a guard that is not ended in order finds out by itself.
  child.unref();
  return {
    async end() {
      if (child.exitCode !== null || !child.connected) return ['the guard was gone before the run'];
      const last = nextWord(child, END_LIMIT);
      child.send({ over: true });
      const word = await last;
      child.disconnect();
      await ended;
      return word && 'left' in word ? word.left : ['the guard did not answer'];
    },
  };
}

/** Undefined: it ended, or said nothing in time. */
function nextWord(child: ChildProcess, limit: Millis): Promise<GuardWord | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), limit);
    child.once('message', (word) => {
      clearTimeout(timer);
      resolve(word as GuardWord);
    });
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
