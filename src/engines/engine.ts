import type { ServerChange } from '../model/change.ts';
import type { Evidence, Facts, Offer, Recognition } from '../model/facts.ts';
import type { RunId } from '../model/id.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Difference, SourceRecord } from '../model/manifest.ts';
import type { SourcePlan } from '../model/plan.ts';
import type { Login } from '../model/secret.ts';
import type { Millis } from '../model/time.ts';
import type { Open } from '../repositories/repository.ts';
import type { Instance, Target, Twin } from '../runtimes/runtime.ts';
import type { StorageOffer } from '../snapshots/snapshotter.ts';
import type { Capture } from './capture.ts';
import type { Transfer } from './transfer.ts';

/** Speaks one database; knows nothing of Docker, btrfs or object storage. */
export interface Engine {
  /** As in the recipe's file name: `postgresql`. */
  readonly name: string;
  /** As people write it: `PostgreSQL`. */
  readonly title: string;
  /**
   * What its hold waits for: open transactions, or only statements that run. Those that wait for transactions are taken
   * first, one after the other, because they may take long; the others after them, all at once.
   */
  readonly barrier: 'transactions' | 'statements';
  /** Pure: is it mine, by evidence alone? Never logs in. */
  recognise(evidence: Evidence): Recognition | undefined;
  /** Read-only, lock-free, at most 5 s. Throws `unreachable` | `login-refused`. */
  inspect(at: Instance, login: Login): Promise<Facts>;
  /** Pure: every method, best first; an impossible one carries its reason. */
  offers(facts: Facts, storage: StorageOffer): readonly Offer[];
  /** Opens all sessions that the plan needs, named after the run; holds nothing. */
  capture(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture>;
  /**
   * Puts the files of a physical backup into an empty target, tablespaces below it, with what a server needs to recover
   * to exactly `source.position`, quarantined. Starts nothing. Throws `damaged`, `restore-failed`.
   */
  restoreFiles(source: SourceRecord, open: Open, target: Target): Promise<void>;
  /** Fills the twin, starts it quarantined, recovers to exactly `source.position`, reads that position back. Throws `restore-failed` with the server's own words. */
  restore(source: SourceRecord, open: Open, into: Twin): Promise<Login>;
  /**
   * Ends a restored server in order and leaves its files durable and quarantined, as its installation's own way to start
   * expects them. After this the twin is only good for its files, and for waking what the quarantine keeps asleep.
   */
  handOver(source: SourceRecord, from: Twin): Promise<Asleep>;
  /** Pure: the arguments that a server is started with, without those that would end its quarantine. Absent: none can. */
  quarantined?(argv: readonly string[]): readonly string[];
  /** Absent: data of this engine cannot be moved into another server, nor in parts. */
  readonly transfer?: Transfer;
  /**
   * Pure: the lines that bring this source back with standard tools only, to be typed in an empty folder as the user who
   * will run the server. `decode` gives the command that writes an artifact's plain bytes to its standard output.
   */
  byHand(source: SourceRecord, decode: (artifact: string) => string): readonly string[];
  /** Yields nothing when `at` holds exactly what was fingerprinted; returns what it compared. Only reads. */
  compare(at: Instance, login: Login, source: SourceRecord, open: Open): AsyncGenerator<Difference, Compared>;
  /**
   * Sessions, slots, locks and pauses that carry a run id, of any run; and those of `changes`, which can carry none, that
   * nobody has taken back or changed since. Removing one ends it on the server.
   */
  leftovers(at: Instance, login: Login, changes: readonly JournaledChange[]): AsyncIterable<Leftover>;
}

/** A change of this server that a run wrote down before it made it. */
export interface JournaledChange extends ServerChange {
  readonly run: RunId;
}

/** What a capture needs to know of its run. */
export interface CaptureRun {
  readonly id: RunId;
  /** The server itself ends a hold after this. */
  readonly holdLimit: Millis;
  readonly tell: Tell;
}

/** What a restored server would do by itself, if its quarantine let it. */
export interface Asleep {
  /** Each in words, without secrets; empty: nothing. */
  readonly what: readonly string[];
  /** Takes the quarantine off the files that `handOver` left. */
  wake(): Promise<void>;
}

export interface Compared {
  readonly tables: number;
  readonly rows: number;
  readonly objects: number;
  /** Objects that somebody changed around the cut, so that nobody knows what they must be: not compared. */
  readonly unsettled?: number;
}

/** Reports a step of a capture: a word that programs test, and a sentence. */
export type Tell = (step: string, text: string) => void;
