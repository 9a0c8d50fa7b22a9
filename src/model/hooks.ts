import type { Millis } from './time.ts';

/** A program of the user's that a run starts: an argv, never a shell string. Exit 0 says that it did its work. */
export interface Hook {
  readonly run: readonly string[];
  /** After this it is killed, with everything it started. */
  readonly timeout: Millis;
  /** Exit 0 of a `before` hook acknowledges that the application has stopped. */
  readonly drains: boolean;
}

/**
 * `before`: right before the window, when all that takes long is done. `held`: in the hold, within its limit. `after`: when
 * writes flow again, or when the run ends without ever getting there: always, once. `failed`: when the run has failed.
 */
export type HookMoment = 'before' | 'held' | 'after' | 'failed';

export type Hooks = Readonly<Record<HookMoment, readonly Hook[]>>;
