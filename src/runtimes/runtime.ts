import type { Duplex, Readable } from 'node:stream';
import type { Evidence } from '../model/facts.ts';
import type { RunId } from '../model/id.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Definition } from '../model/manifest.ts';
import type { Ref } from '../model/ref.ts';
import type { Secret } from '../model/secret.ts';
import type { Volume } from '../model/storage.ts';
import type { Millis } from '../model/time.ts';
import type { Files } from './files.ts';

/** Where servers live. Knows nothing of databases. */
export interface Runtime {
  readonly name: 'host' | 'docker' | 'kubernetes';
  /** Exactly one instance, or throws `not-found` | `ambiguous` with the candidates. Touches nothing. */
  find(ref: Ref): Promise<Instance>;
  /** Everything that runs, in one pass; logs in nowhere. What it listens on may be missing until `find` looks closer. */
  scan(signal: AbortSignal): AsyncIterable<Instance>;
  /**
   * A stopped copy of the server that `definition` came from: same image or binaries, empty storage, no network.
   * Works when the source is gone. Dispose stops it and removes every byte, whatever it does.
   */
  twin(definition: Definition, run: RunId): Promise<Twin>;
  /**
   * A server of its own from a stored definition, also when the source is gone: `name`, stopped, with empty storage of its
   * own and no published port. Absent where it cannot be had. Throws `target-not-empty` where the name or the storage
   * exists. Dispose before `start` removes every byte.
   */
  successor?(definition: Definition, name: string, run: RunId): Promise<Successor>;
  /**
   * A server that exists and does not run, to be given the files of another one of `definition`; undefined when it runs.
   * Absent where it cannot be had. Throws `not-found`, and `preflight` where these files would not be what it reads.
   */
  vessel?(ref: Ref, definition: Definition, run: RunId): Promise<Vessel | undefined>;
  /** Twins, frozen instances and helper pods that carry a run id. */
  leftovers(): AsyncIterable<Leftover>;
}

/** One server as its runtime sees it. */
export interface Instance {
  readonly ref: Ref;
  readonly runtime: Runtime['name'];
  readonly image?: { readonly name: string; readonly digest: string };
  readonly evidence: Evidence;
  /** Enough to make it again, stored with the backup; names of secrets, never their values. `dataDirectory` as the server sees it. */
  definition(dataDirectory: string): Promise<Definition>;
  /** Where these paths really lie. Links are followed. */
  volumes(paths: readonly string[]): Promise<readonly Volume[]>;
  /** A connected byte stream to its port or socket; drivers get this, never an address. Throws `unreachable`. */
  dial(to: { readonly port: number } | { readonly socket: string }): Promise<Duplex>;
  /** Where it listens, best first: what `dial` takes. */
  readonly endpoints: readonly ({ readonly port: number } | { readonly socket: string })[];
  /**
   * Runs a program of the instance's own. `exit` rejects when the status is missing (a cut stream is not a success);
   * dispose kills the whole process group. At `limit` it is killed and `exit` rejects.
   */
  exec(
    argv: readonly string[],
    how: { readonly env?: Readonly<Record<string, string | Secret>>; readonly user?: string; readonly limit: Millis },
  ): Promise<Process>;
  /** A variable of the server's own environment, or the text of the file that its `NAME_FILE` names; absent on the host. */
  variable?(name: string): Promise<Secret | undefined>;
  /** Its files below `root`. Throws `not-found` when this runner cannot read them. */
  files(root: string): Promise<Files>;
}

export interface Process extends AsyncDisposable {
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: Readable;
  readonly exit: Promise<{ readonly code: number; readonly stderr: string }>;
}

/** Somewhere to put restored files: a twin, or a folder that the user named. */
export interface Target {
  /** The empty folder as the server will see it. */
  readonly root: string;
  /** Extracts a tar below `root`, or below a folder of it; entries that lead out of it are refused. */
  write(tar: Readable, folder?: string): Promise<void>;
  /** One small file of what was extracted; undefined when there is none. */
  read(path: string): Promise<Buffer | undefined>;
}

/** A server that was made anew and stays. */
export interface Successor extends AsyncDisposable {
  /** Fills its data directory. Once, before `start`. */
  fill(tar: Readable): Promise<void>;
  /** Starts it as its definition says. Returns its reference and what is not as it was. Once. */
  start(): Promise<{ readonly ref: string; readonly notes: readonly string[] }>;
}

/** A stopped server that exists and is to have other files. */
export interface Vessel {
  readonly name: string;
  /** It is the very one that the definition is of. */
  readonly isSource: boolean;
  /** The arguments that it is started with. */
  readonly command: readonly string[];
  /** Its data directory, as it sees it. */
  readonly folder: string;
  /** Names of what lies in it; empty: nothing. */
  readonly holds: readonly string[];
  /** Removes all of that. */
  clear(): Promise<void>;
  /** Fills the data directory, which is empty. */
  fill(tar: Readable): Promise<void>;
}

/** A stopped copy of a source, to restore into. */
export interface Twin extends Instance, Target, AsyncDisposable {
  /** Folder for sockets and logs, outside `root`. */
  readonly scratch: string;
  /** Starts the server: argv[0] is a program of the instance's own installation. Call once. */
  start(argv: readonly string[]): Promise<void>;
  /** What it printed so far: the reason when it did not start. */
  log(): Promise<string>;
  /** Resolves when the process has ended. */
  readonly ended: Promise<number>;
  /** What it runs, for the record: image digest, or folder of the binaries. */
  readonly runs: string;
}
