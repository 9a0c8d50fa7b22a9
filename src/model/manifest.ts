import type { Method } from './facts.ts';
import type { BackupId } from './id.ts';
import type { Level, Reason } from './level.ts';
import type { Plan } from './plan.ts';
import type { Position } from './position.ts';
import type { Instant, Interval, Millis } from './time.ts';

/** One stored stream. */
export interface Artifact {
  /** `orders.base.tar`: what the plain bytes are. */
  readonly name: string;
  /** `orders.base.tar.zst`: what the file in the repository is called. */
  readonly file: string;
  readonly plainBytes: number;
  readonly plainSha256: string;
  readonly storedBytes: number;
  readonly storedSha256: string;
}

/** How to make the server that these files belong to run again: enough for a twin when the source is gone. No secrets. */
export interface Definition {
  readonly runtime: 'host' | 'docker' | 'kubernetes';
  readonly [detail: string]: unknown;
}

export interface SourceRecord {
  readonly name: string;
  readonly ref: string;
  readonly engine: string;
  readonly version: string;
  readonly serverId: string;
  readonly definition: Definition;
  readonly method: Method;
  readonly database?: string;
  readonly recipe: { readonly name: string; readonly sha256: string };
  /** A restore stops exactly here. */
  readonly position: Position;
  readonly level: Level;
  readonly reasons: readonly Reason[];
  /** What is not in the backup, by name, and why. */
  readonly excluded: readonly Reason[];
  /** Settings that a restored server needs to start or to read the data. */
  readonly settings: Readonly<Record<string, string>>;
  /** Name of the artifact that holds the fingerprint; it is among `artifacts`. */
  readonly fingerprint: string;
  readonly artifacts: readonly Artifact[];
}

/** What shows that a hold was real and unbroken. */
export interface HoldEvidence {
  /** From the request that was granted until writes flowed again. */
  readonly held: Interval;
  /** On the clock of `held`: when the hold was had, the earliest moment at which it could have ended by itself, and when it was let go. */
  readonly granted?: Millis;
  readonly until?: Millis;
  readonly released?: Millis;
  /** The server's own name for the sessions that held: `pid 4711 since 2026-11-21T02:00:00Z`. */
  readonly session: string;
  readonly unbroken: boolean;
  readonly reasons: readonly Reason[];
}

export interface WindowRecord {
  readonly held: Readonly<Record<string, HoldEvidence>>;
  readonly cut: Readonly<Record<string, Interval>>;
  readonly flushed: Readonly<Record<string, Interval>>;
}

/** Hooks of the user's acknowledged, before the window, that the application had stopped. */
export interface Drained {
  /** Their programs. */
  readonly by: readonly string[];
}

export interface Manifest {
  readonly format: 1;
  readonly id: BackupId;
  readonly job: string;
  /** `stillpoint 0.1.0`. */
  readonly tool: string;
  readonly started: Instant;
  readonly ended: Instant;
  readonly plan: Plan;
  readonly window?: WindowRecord;
  /** Absent: no hook said so. */
  readonly drained?: Drained;
  readonly coordination: { readonly claimed: boolean; readonly skew: Millis; readonly reasons: readonly Reason[] };
  /** Storage snapshots that were kept, for an instant rollback, by their own names. */
  readonly snapshots?: readonly string[];
  readonly sources: readonly SourceRecord[];
}

/** What `list` shows of one backup. */
export interface BackupLine {
  readonly id: BackupId;
  readonly job: string;
  readonly at: Instant;
  /** The lowest level over the sources. */
  readonly level: Level;
  readonly sources: readonly {
    readonly name: string;
    readonly engine: string;
    readonly version: string;
    readonly method: Method;
  }[];
  /** Longest that any source was held; absent when nothing was. */
  readonly heldMillis?: Millis;
  readonly plainBytes: number;
  readonly storedBytes: number;
  /** The newest verification, good or bad; absent: never verified. */
  readonly verification?: { readonly at: Instant; readonly good: boolean };
  /** Never removed by retention. */
  readonly pinned?: true;
}

/** One thing that is not as it was at the cut. */
export interface Difference {
  readonly source: string;
  /** `table`, `sequence`, `role`, `schema`, `position`, ... */
  readonly kind: string;
  /** `shop.public.prices`. */
  readonly name: string;
  /** One sentence: `has 18,199 rows restored, 18,204 at the cut`. */
  readonly text: string;
}

export interface Verification {
  readonly at: Instant;
  readonly tool: string;
  /** What it was restored into: an image digest, or the binaries' folder and version. */
  readonly image: string;
  readonly good: boolean;
  readonly level: Level;
  readonly compared: {
    readonly tables: number;
    readonly rows: number;
    readonly objects: number;
    /** Objects that somebody changed around the cut, so that nobody knows what they must be: not compared. */
    readonly unsettled?: number;
  };
  readonly differences: readonly Difference[];
  readonly millis: Millis;
}

/** A stored file that is not what the manifest says. */
export interface Damage {
  readonly file: string;
  readonly text: string;
}
