/** Milliseconds as a number; may carry fractions when measured. */
export type Millis = number;

/** Wall-clock time, ISO 8601 in UTC: for people and for ordering backups, never for measuring. */
export type Instant = string;

/** A stretch of time. `millis` comes from the monotonic clock; `from` and `to` are wall-clock, for people. */
export interface Interval {
  readonly from: Instant;
  readonly to: Instant;
  readonly millis: Millis;
  /** Monotonic milliseconds since the runner started: the only values that intervals of one run are compared by. */
  readonly start: Millis;
  readonly end: Millis;
}

export const now = (): Instant => new Date().toISOString();

/** A running stopwatch, begun now or at a moment of the monotonic clock: call it to end the interval. */
export function startInterval(start: Millis = performance.now()): () => Interval {
  return () => intervalOf(start, performance.now());
}

/** The interval between two moments of the monotonic clock. */
export function intervalOf(start: Millis, end: Millis): Interval {
  const wall = (moment: Millis): Instant => new Date(Date.now() - (performance.now() - moment)).toISOString();
  return { from: wall(start), to: wall(end), millis: end - start, start, end };
}
