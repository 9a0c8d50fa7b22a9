import { StillpointError } from '../model/errors.ts';
import type { RunId } from '../model/id.ts';
import { formatRef, parseRef, type Ref } from '../model/ref.ts';
import type { Journal, JournalEntry } from './journal.ts';
import type { RunnerState } from './runner.ts';

/** Which runs are alive, which are dead, and whose things may be ended. */
export interface Judge {
  readonly dead: readonly { readonly entry: JournalEntry; remove(): Promise<void> }[];
  readonly deadRuns: readonly RunId[];
  isAlive(run: RunId): boolean;
  mayTouch(run: RunId): boolean;
  /** Dead runs that worked on this server. */
  runsAt(ref: Ref): readonly RunId[];
}

/** Reads the journal. With `only` that run alone is judged: dead on the user's word, unless its process is alive here. */
export async function judgeOf(
  journal: Journal,
  only: RunId | undefined,
): Promise<{ readonly judge: Judge; readonly failed: readonly StillpointError[] }> {
  const known: { entry: JournalEntry; state: RunnerState; remove(): Promise<void> }[] = [];
  const failed: StillpointError[] = [];
  for await (const it of journal.entries()) {
    if ('unreadable' in it) failed.push(it.unreadable);
    else known.push(it);
  }
  const stateOf = (run: RunId): RunnerState | undefined => known.find((it) => it.entry.run === run)?.state;
  if (only !== undefined && stateOf(only) === 'alive') {
    const { pid, host } = known.find((it) => it.entry.run === only)?.entry ?? {};
    throw new StillpointError(
      'preflight',
      `Run ${only} is alive: process ${pid} on ${host}. Nothing of it was ended.`,
      {
        next: `Stop it first, so that it lets writes go by itself: kill ${pid}`,
      },
    );
  }
  const isDead = (run: RunId): boolean => stateOf(run) === 'dead' || stateOf(run) === 'stopped';
  const mayTouch = (run: RunId): boolean => (only === undefined ? isDead(run) : run === only);
  const dead = known.filter(({ entry }) => mayTouch(entry.run));
  const judge: Judge = {
    dead,
    deadRuns: dead.map((it) => it.entry.run),
    isAlive: (run) => stateOf(run) === 'alive',
    mayTouch,
    runsAt: (ref) =>
      dead
        .filter(({ entry }) => entry.sources.some((it) => serverKey(parseRef(it.ref)) === serverKey(ref)))
        .map((it) => it.entry.run),
  };
  return { judge, failed };
}

/** One database of a server is on the same server as the others. */
export const serverKey = ({ database: _, ...ref }: Ref): string => formatRef(ref);
