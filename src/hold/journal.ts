import type { RunId } from '../model/id.ts';
import type { Instant } from '../model/time.ts';

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
  /** Folders and containers made by this run, to be removed. */
  readonly made: readonly { readonly kind: 'folder' | 'process'; readonly what: string }[];
}

export interface Journal {
  /** Begins a run's entry, durably. Dispose removes it: the run ended in order. */
  begin(entry: Pick<JournalEntry, 'run' | 'command' | 'sources' | 'repository'>): Promise<Entry>;
  /** Every entry, with whether its process is alive on this host. Unreadable ones are told, not skipped. */
  entries(): AsyncIterable<{
    readonly entry: JournalEntry;
    readonly state: 'alive' | 'stopped' | 'dead' | 'elsewhere';
    remove(): Promise<void>;
  }>;
}

export interface Entry extends AsyncDisposable {
  readonly run: RunId;
  /** Adds something made by this run; durable when it resolves. Call before making it. */
  made(kind: 'folder' | 'process', what: string): Promise<void>;
}
