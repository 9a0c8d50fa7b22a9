import type { Readable } from 'node:stream';
import type { BackupId } from '../model/id.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Artifact, BackupLine, Damage, Manifest, Verification } from '../model/manifest.ts';

/**
 * Stores one stream under `name` (`orders.base.tar`). Resolves when the bytes are durable: written, synced, renamed, the
 * folder synced. Reads `plain` once; an error of it, or of the disk, rejects and leaves nothing under the final name.
 * Several at once are allowed. Throws `repository-full` | `repository-read-only`.
 */
export type Put = (
  name: string,
  plain: Readable,
  progress?: (plainBytes: number, storedBytes: number) => void,
) => Promise<Artifact>;

/** The plain bytes of an artifact. Ends only if length and digest matched; else errors with `damaged`. */
export type Open = (name: string) => Promise<Readable>;

/** A backup that is being read: `remove` refuses it until dispose. */
export type Reading = Open & AsyncDisposable;

/** One backup on its way in. Dispose without commit removes every byte of it. */
export interface Incoming extends AsyncDisposable {
  readonly put: Put;
  /** Writes the manifest, last, durably. After this the backup is listed. Call once. */
  commit(manifest: Manifest): Promise<void>;
}

/** Every backup, newest first, and what cannot be read. */
export interface Survey {
  readonly backups: readonly BackupLine[];
  readonly damaged: readonly Damaged[];
}

/** A backup or a verification that cannot be read, and why. */
export interface Damaged {
  readonly where: string;
  readonly text: string;
}

/** A backup as it is stored, byte for byte, for a further repository; `remove` refuses it until dispose. */
export interface StoredBackup extends AsyncDisposable {
  readonly id: BackupId;
  readonly job: string;
  /** `20261121T020000Z-7f3k9q2m`, the same in every repository. */
  readonly folder: string;
  readonly files: readonly StoredFile[];
  /** The text of the manifest: written last by whoever takes the copy. */
  readonly manifest: string;
  /** Verifications by the names of their files; they hold for the same bytes elsewhere. */
  readonly records: ReadonlyMap<string, string>;
  /** The stored bytes of a file from an offset on, unchecked. */
  read(file: string, from: number): Readable;
}

/** One stored file: what can be said of it without a key. */
export type StoredFile = Pick<Artifact, 'file' | 'storedBytes' | 'storedSha256'>;

/** What a copy did: bytes that were there from before, and bytes that came now. */
export interface Taken {
  readonly foundBytes: number;
  readonly copiedBytes: number;
}

/** Plain bytes in, plain bytes out; compression, encryption and deduplication lie below this line. */
export interface Repository {
  /** As a user would name it: a folder, a URL. */
  readonly name: string;
  readonly encrypted: boolean;
  /** Bytes that can still be written; Infinity where nobody knows. */
  free(): Promise<number>;
  /**
   * Begins a backup of `job`, and holds the job's lock until dispose. Removes what dead runs of the job left, and says so
   * through `leftovers` first if asked. Throws `repository-locked` naming the holder, `repository-read-only`.
   */
  begin(job: string, id: BackupId): Promise<Incoming>;
  /** Both of what `list` and `damaged` give, at the price of one. */
  survey(): Promise<Survey>;
  /** Whole backups only, newest first. A folder without a manifest is not one; a damaged manifest is listed by `damaged()`. */
  list(): AsyncIterable<BackupLine>;
  /** Backups whose manifest cannot be read: never listed, never restored, but told. */
  damaged(): AsyncIterable<Damaged>;
  /**
   * `7f3k9q2m`, any unambiguous prefix, `JOB@latest`, `latest`. Throws `backup-not-found` | `ambiguous` | `damaged` |
   * `wrong-key`. Listing and checking need no key.
   */
  manifest(name: string): Promise<Manifest>;
  /** Oldest first. Damaged records are left out, and told by `damaged` and `check`. */
  verifications(id: BackupId): Promise<readonly Verification[]>;
  /** Opens artifacts of one backup, and keeps others from removing it until dispose: `await using open = …`. */
  open(id: BackupId): Promise<Reading>;
  /** The path or address of an artifact's stored bytes, for `show --commands`. */
  locate(id: BackupId, file: string): Promise<string>;
  /** Re-reads every stored byte of one backup against its digests. Yields nothing when it is whole. */
  check(id: BackupId, signal: AbortSignal): AsyncIterable<Damage>;
  /** Appends beside the manifest; never changes it. */
  record(id: BackupId, verification: Verification): Promise<void>;
  /** Keeps a backup from being removed, or lets it go again. */
  pin(id: BackupId, pinned: boolean): Promise<void>;
  /**
   * Removes one backup, manifest first, readable or not. Throws `repository-locked` while its job is backed up or it is
   * being read, `preflight` where it is pinned.
   */
  remove(id: BackupId): Promise<void>;
  /** Opens a backup to copy it. Needs no key. */
  stored(id: BackupId): Promise<StoredBackup>;
  /**
   * Takes the same bytes, each file compared with its digest after it has arrived, manifest last; goes on where an earlier
   * copy of it was cut. Throws `damaged` where the bytes are not those of the manifest, `repository-full`, or the
   * signal's reason.
   */
  take(backup: StoredBackup, signal: AbortSignal, progress?: (copiedBytes: number) => void): Promise<Taken>;
  /** Half-made backups and locks of dead runs. */
  leftovers(): AsyncIterable<Leftover>;
}
