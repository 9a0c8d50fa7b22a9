import type { Method } from './facts.ts';
import type { HookMoment } from './hooks.ts';
import type { BackupId, RunId } from './id.ts';
import type { Level, Reason } from './level.ts';
import type { Difference, Verification } from './manifest.ts';
import type { Position } from './position.ts';
import type { Instant, Millis } from './time.ts';

/** What a run tells while it happens. Each is one line of `-o ndjson`, written before the next step begins. */
export type RunEvent =
  | {
      readonly event: 'started';
      readonly run: RunId;
      readonly job: string;
      readonly repository: string;
      readonly encrypted: boolean;
      readonly sources: readonly {
        readonly name: string;
        readonly engine: string;
        readonly version: string;
        readonly method: Method;
      }[];
      readonly coordinated: boolean;
    }
  | { readonly event: 'ready'; readonly needBytes: number; readonly freeBytes: number; readonly millis: Millis }
  /** `step` is a word such as `session`, `slot`, `backup-started`, `files`, `backup-stopped`, `log`, `fingerprint`. */
  | { readonly event: 'step'; readonly source: string; readonly step: string; readonly text: string }
  | {
      readonly event: 'progress';
      readonly source: string;
      readonly artifact: string;
      readonly plainBytes: number;
      readonly storedBytes: number;
      readonly totalBytes?: number;
    }
  | {
      readonly event: 'stored';
      readonly source: string;
      readonly artifact: string;
      readonly plainBytes: number;
      readonly storedBytes: number;
      readonly millis: Millis;
    }
  | { readonly event: 'holding'; readonly source: string; readonly limit: Millis }
  /** `at` and the other times in the window are milliseconds since the first `holding`. */
  | { readonly event: 'held'; readonly source: string; readonly at: Millis }
  | { readonly event: 'unheld'; readonly source: string; readonly reason: Reason }
  | { readonly event: 'flushed'; readonly source: string; readonly at: Millis }
  | {
      readonly event: 'cut';
      readonly source: string;
      readonly from: Millis;
      readonly to: Millis;
      readonly position: Position;
    }
  | {
      readonly event: 'resumed';
      readonly held: Readonly<Record<string, { readonly from: Millis; readonly to: Millis }>>;
      readonly longest: Millis;
    }
  | {
      readonly event: 'hook';
      readonly hook: HookMoment;
      readonly program: string;
      /** It did its work. */
      readonly ok: boolean;
      readonly at: Instant;
      readonly millis: Millis;
    }
  | { readonly event: 'downgraded'; readonly source: string; readonly reason: Reason }
  | {
      readonly event: 'saved';
      readonly id: BackupId;
      readonly job: string;
      readonly level: Level;
      readonly plainBytes: number;
      readonly storedBytes: number;
      readonly millis: Millis;
      readonly oneInstant: boolean;
      readonly reasons: readonly Reason[];
      readonly encrypted: boolean;
      readonly heldMillis?: Millis;
    }
  | { readonly event: 'restoring'; readonly id: BackupId; readonly source: string; readonly into: string }
  | { readonly event: 'recovered'; readonly source: string; readonly position: Position; readonly millis: Millis }
  | {
      readonly event: 'compared';
      readonly source: string;
      readonly tables: number;
      readonly rows: number;
      readonly objects: number;
      readonly unsettled?: number;
      readonly differences: readonly Difference[];
      readonly millis: Millis;
    }
  | { readonly event: 'verified'; readonly id: BackupId; readonly verification: Verification }
  | {
      readonly event: 'found';
      readonly run: RunId;
      readonly kind: string;
      readonly what: string;
      readonly holds: boolean;
    }
  | { readonly event: 'removed'; readonly run: RunId; readonly kind: string; readonly what: string }
  | { readonly event: 'warning'; readonly source?: string; readonly reason: Reason }
  | {
      readonly event: 'failed';
      readonly code: string;
      readonly message: string;
      readonly meaning: string;
      readonly next: string;
      readonly exit: number;
    };

/** Where events go. Synchronous: when it returns, the line is written. */
export type Emit = (event: RunEvent) => void;
