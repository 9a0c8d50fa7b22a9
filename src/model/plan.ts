import type { Facts, Method } from './facts.ts';
import type { BackupId } from './id.ts';
import type { Level, Reason } from './level.ts';
import type { Volume } from './storage.ts';
import type { Millis } from './time.ts';

/** Something that must be so before anything is touched. */
export interface Need {
  readonly what: string;
  readonly met: boolean;
  readonly detail: string;
}

/** The plan told to people, in the order in which it happens. */
export interface Step {
  readonly phase: 'prepare' | 'window' | 'finish';
  readonly source: string;
  readonly what: string;
  /** The statement as the recipe has it, named parameters in braces. */
  readonly statement?: string;
  /** What other sessions notice. Absent: nothing. */
  readonly blocks?: string;
  readonly limit?: Millis;
}

export interface SourcePlan {
  readonly name: string;
  readonly ref: string;
  readonly engine: string;
  readonly version: string;
  readonly method: Method;
  /** One database of the server; absent: all of it. */
  readonly database?: string;
  /** The recipe's statements for this version, by name. The capture executes these and no others. */
  readonly statements: Readonly<Record<string, string>>;
  readonly recipe: { readonly name: string; readonly sha256: string };
  readonly level: Level;
  readonly reasons: readonly Reason[];
  readonly needs: readonly Need[];
  readonly facts: Facts;
}

export type Cut =
  /** One cut of storage for all of these sources, with the volumes of each. */
  | { readonly snapshotter: string; readonly volumes: Readonly<Record<string, readonly Volume[]>> }
  | { readonly source: string };

/** What a run will do. Made by a pure function from facts, recipe and configuration; printing it changes nothing. */
export interface Plan {
  readonly format: 1;
  readonly id: BackupId;
  readonly job: string;
  readonly sources: readonly SourcePlan[];
  readonly consistency: 'coordinated' | 'independent';
  /** The longest that writes may be held; the server itself enforces it. */
  readonly holdLimit: Millis;
  /** What to do when the hold cannot be had or does not last: fail, or keep the backup at a lower claim. */
  readonly onOverrun: 'downgrade' | 'fail';
  /** Sources to hold, in acquisition order. In a coordinated plan all but at most one. */
  readonly hold: readonly string[];
  readonly cuts: readonly Cut[];
  /** The storage snapshots stay when the backup is stored, for an instant rollback. */
  readonly keepSnapshot?: true;
  readonly steps: readonly Step[];
}
