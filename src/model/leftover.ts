import type { RunId } from './id.ts';

/** What a dead run left behind, found by its run id. */
export interface Leftover {
  readonly run: RunId;
  /** `session`, `slot`, `twin`, `folder`, `snapshot`, `setting`, `partial backup`. */
  readonly kind: string;
  /** What and where, in words: `replication slot stillpoint_7f3k9q2m on postgres://127.0.0.1:5432`. */
  readonly what: string;
  /** True when writers may be waiting because of it. */
  readonly holds: boolean;
  /** Ends it. Idempotent; throws a StillpointError that says how to do it by hand. */
  remove(): Promise<void>;
}
