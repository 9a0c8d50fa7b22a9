import type { Readable } from 'node:stream';

/** Files below one root, on the host, in a container or in a snapshot. */
export interface Files {
  /**
   * One tar stream (POSIX, long names as PAX) of everything below the root, paths relative to it, links as links, owners
   * and modes kept. Written for trees that change meanwhile: what vanished is skipped, what shrank is padded with zeros,
   * what grew is cut at the size in its header. Errors (unreadable file, lost connection) destroy the stream; it never
   * ends early. May be called again.
   */
  tar(select?: FileSelection): Readable;
  /** One small file, whole. Throws `not-found`. */
  read(path: string): Promise<Buffer>;
  /** Names in one folder, without `.` and `..`; empty when it does not exist. */
  names(path: string): Promise<readonly string[]>;
  /** Where a link leads, as it was written; undefined when it is not a link. */
  link(path: string): Promise<string | undefined>;
}

export interface FileSelection {
  /** Only these paths, relative to the root, in this order. A missing one is an error. */
  readonly only?: readonly string[];
  /** Leave these out: `pg_wal/` drops the contents and keeps the folder; `postmaster.pid` drops the entry. */
  readonly skip?: (path: string) => boolean;
}
