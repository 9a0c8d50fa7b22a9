import type { ServerChange } from '../model/change.ts';
import type { StillpointError } from '../model/errors.ts';
import type { RunId } from '../model/id.ts';
import type { Instant } from '../model/time.ts';
import type { RunnerState } from './runner.ts';

/** What one run may leave behind, written before the act. One file a run in the state directory. */
export interface JournalEntry {
  readonly run: RunId;
  readonly host: string;
  /** Changes at every boot: a pid means nothing across it. */
  readonly bootId: string;
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: tells a reused pid. */
  readonly processStart: string;
  readonly at: Instant;
  readonly command: 'backup' | 'verify' | 'restore';
  /** Sources whose servers may carry sessions and slots of this run. */
  readonly sources: readonly {
    readonly name: string;
    readonly ref: string;
    readonly engine: string;
    readonly user?: string;
  }[];
  /** The repository that may hold its half-made backup. */
  readonly repository?: string;
  /** Programs of the `after` hooks that this run owes. */
  readonly owed?: readonly string[];
  /** Absent: none. Each of a server that is among `sources`, by its name there. */
  readonly changes?: readonly SourceChange[];
}

/** A change of one of the run's servers. */
export interface SourceChange extends ServerChange {
  readonly source: string;
}

export interface Journal {
  /** Begins a run's entry, durably. Dispose removes it: the run ended in order. */
  begin(entry: Pick<JournalEntry, 'run' | 'command' | 'sources' | 'repository'>): Promise<Entry>;
  /** Every entry, with whether its process is alive on this host. Unreadable ones are told, not skipped. */
  entries(): AsyncIterable<KnownEntry | { readonly unreadable: StillpointError }>;
}

export interface KnownEntry {
  readonly entry: JournalEntry;
  readonly state: RunnerState;
  remove(): Promise<void>;
}

export interface Entry extends AsyncDisposable {
  readonly run: RunId;
  /** What this run is going to change on its servers; durable when it resolves. Call before changing it. */
  changing(changes: readonly SourceChange[]): Promise<void>;
  /** The `after` hooks that are owed from now on; durable when it resolves. Call before the first `before` hook. */
  owing(programs: readonly string[]): Promise<void>;
  /** Something of this run may be left: dispose leaves the entry for `recover`. */
  keep(): void;
}
