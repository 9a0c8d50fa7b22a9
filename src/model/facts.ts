import type { Level, Reason } from './level.ts';

/** What a runtime can see of an instance from outside, without logging in. */
export interface Evidence {
  readonly processes: readonly SeenProcess[];
  readonly ports: readonly number[];
  /** Files that were found: data directory markers such as `PG_VERSION`, with their text. */
  readonly markers: readonly { readonly path: string; readonly text: string }[];
  /** Names of environment variables, never their values. */
  readonly environment: readonly string[];
  readonly image?: string;
  /** Set when nothing of it runs: how it says that. */
  readonly stopped?: string;
}

/** A process as it is seen from outside; what this user may not see is absent. */
export interface SeenProcess {
  readonly pid: number;
  readonly executable: string;
  readonly argv: readonly string[];
  readonly parent?: number;
  /** Working directory, as the process sees it: for many servers the data directory. */
  readonly folder?: string;
  /** What it listens on. */
  readonly ports?: readonly number[];
  readonly sockets?: readonly string[];
}

/** What an engine makes of the evidence. */
export interface Recognition {
  readonly engine: string;
  readonly version?: string;
  readonly dataDirectory?: string;
  /** The evidence that decided, in words. */
  readonly because: readonly string[];
}

/** What a server says of itself. Read without locks and without writing. */
export interface Facts {
  readonly engine: string;
  /** As the server prints it: `17.6`. */
  readonly version: string;
  readonly major: number;
  /** The server's own identity, equal in all copies of its history: PostgreSQL's system identifier. */
  readonly serverId: string;
  readonly role: 'primary' | 'standby';
  readonly dataBytes: number;
  /** Absolute paths as the server sees them, links followed. */
  readonly paths: { readonly data: string; readonly log: string; readonly more: readonly string[] };
  readonly databases: readonly string[];
  /** Number of user tables over all databases: what a hold has to lock. */
  readonly tables: number;
  /** Of the databases to be backed up those that hold tables or large objects. */
  readonly populated?: readonly string[];
  /** Settings that decide what is possible or that a restore must reproduce. */
  readonly settings: Readonly<Record<string, string>>;
  /** What this login may do, by the engine's own names. */
  readonly privileges: readonly string[];
  /** What stands in the way of a method, or would make a hold hurt: each with a code. */
  readonly blockers: readonly Blocker[];
}

export interface Blocker extends Reason {
  /** The methods that it makes impossible; the rest go on, with the reason recorded. */
  readonly methods: readonly Method[];
}

export type Method = 'snapshot' | 'copy' | 'dump';

/** One way to back an instance up: what it reaches, or why it cannot be had. */
export interface Offer {
  readonly method: Method;
  readonly possible: boolean;
  readonly level: Level;
  readonly reasons: readonly Reason[];
  /** Its cut is one point of the server even while writes go on: in a group one such source may go unheld. */
  readonly onePoint?: true;
}
