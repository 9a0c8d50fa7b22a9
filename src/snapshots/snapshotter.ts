import type { RunId } from '../model/id.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Reason } from '../model/level.ts';
import type { Volume } from '../model/storage.ts';
import type { Interval } from '../model/time.ts';
import type { Files } from '../runtimes/files.ts';

/** Whether these volumes can be cut, and whether as one. */
export interface StorageOffer {
  /** Absent: they cannot, for these reasons. */
  readonly snapshotter?: string;
  /** What one cut holds: volumes of the same unit, of however many sources, are cut at once. */
  readonly unit?: string;
  /** All volumes at the same instant: one subvolume, or a true group snapshot. */
  readonly oneInstant: boolean;
  readonly reasons: readonly Reason[];
}

/** Cuts storage. Knows nothing of databases. */
export interface Snapshotter {
  /** `command:NAME`: one of the configuration. */
  readonly name: 'btrfs' | 'csi' | `command:${string}`;
  /** Creates nothing. What is in the way, of privileges, programs and free space too, is a reason and never an error. */
  probe(volumes: readonly Volume[]): Promise<StorageOffer>;
  /** Before the window, may take minutes: writes back what the file system holds in memory. Any number of times. */
  settle(volumes: readonly Volume[]): Promise<void>;
  /**
   * Right before the hold: settles again, looks whether these volumes of one unit can still be cut (`source-changed`), and
   * does all of a cut that can be done before it. Cuts nothing; disposing of what it returns leaves nothing.
   */
  ready(volumes: readonly Volume[], run: RunId): Promise<ReadyCut>;
  /** Snapshots that carry a run id and are not kept; removing one is idempotent. */
  leftovers(): AsyncIterable<Leftover>;
}

/** Volumes that can be cut without further ado. Dispose does not remove what was cut. */
export interface ReadyCut extends AsyncDisposable {
  /**
   * Returns at the cut, not when the snapshot is ready. All or nothing: on failure none of its snapshots remain. Again for
   * a further cut, with a name of its own.
   */
  cut(): Promise<StorageCut>;
}

/** The snapshots of one cut. Dispose removes them, unless they are kept. */
export interface StorageCut extends AsyncDisposable {
  /** The cut lies inside this interval. */
  readonly at: Interval;
  /** What its snapshots are called once they are kept. */
  readonly keptAs: readonly string[];
  /** The files of one volume as they were at the cut. Throws `source-changed` when it is not the folder that was to be cut. */
  open(volume: Volume): Promise<Files>;
  /** Keeps the snapshots for an instant rollback, as `keptAs` says: neither dispose nor `recover` removes them. */
  keep(): Promise<void>;
}
