import type { Readable } from 'node:stream';
import type { SourceRecord } from '../model/manifest.ts';
import type { Part } from '../model/part.ts';
import type { Login } from '../model/secret.ts';
import type { Open } from '../repositories/repository.ts';
import type { Instance, Twin } from '../runtimes/runtime.ts';

/** What can be put into another server, as the engine's own tools write it: what belongs to no database, and databases. */
export interface Contents {
  readonly databases: readonly string[];
  /** Tables by database, where not all of it is wanted. */
  readonly tables: Readonly<Record<string, Part['tables']>>;
  /** Not all of the server: what it does not hold is not to be touched. */
  readonly partial: boolean;
  globals(): Promise<Readable>;
  /** A whole database. May be called again. */
  archive(database: string): Promise<Readable>;
}

/** One thing in a running server that a restore would replace or mix with. */
export interface InTheWay {
  /** `database shop (12 relations)` */
  readonly what: string;
  /** `is dropped and made again` */
  readonly fate: string;
}

/** Moves data between servers of one engine by its own tools, where files cannot be moved. */
export interface Transfer {
  /** What a dump holds. */
  fromDump(source: SourceRecord, open: Open): Promise<Contents>;
  /** What a server holds that `restore` has brought up; it is dumped from there with its own programs. */
  fromTwin(source: SourceRecord, twin: Twin, login: Login): Promise<Contents>;
  /** Only that part. Throws `not-found`, naming the nearest, and `ambiguous`. */
  narrow(contents: Contents, part: Part): Promise<Contents>;
  /** As files for the engine's own tools, one after the other; returns what was left out. */
  layOut(
    source: SourceRecord,
    contents: Contents,
  ): AsyncGenerator<{ readonly name: string; readonly content: Readable }, readonly string[]>;
  /** An empty server like the source in the empty twin, filled with this. `like`: a running copy of the source. Returns how to log in, and what was left out. */
  build(
    source: SourceRecord,
    contents: Contents,
    into: Twin,
    like?: { readonly twin: Twin; readonly login: Login },
  ): Promise<{ readonly login: Login; readonly source: SourceRecord; readonly notes: readonly string[] }>;
  /** What a running server has that this would replace or mix with; empty: nothing is lost. Only reads. Throws `preflight` where it cannot go on. */
  inTheWay(source: SourceRecord, contents: Contents, at: Instance, login: Login): Promise<readonly InTheWay[]>;
  /**
   * Puts it into a running server by the server's own programs, and replaces what is in the way. Every error of them is
   * a failure, told in their own words; a database that was not finished is removed, tables are replaced whole or not at
   * all. Returns what was left out.
   */
  load(source: SourceRecord, contents: Contents, at: Instance, login: Login): Promise<readonly string[]>;
}
