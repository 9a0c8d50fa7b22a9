/**
 * Something of a server that is changed for a moment and that no session's end takes back: a setting. It is journaled with
 * its old value before it is changed, and taken back by whoever comes first: the run, its guard, `recover`.
 */
export interface ServerChange {
  /** `innodb_flush_log_at_trx_commit`. */
  readonly what: string;
  readonly before: string;
  /** Only what still has this value is taken back: another one was set by somebody else. */
  readonly during: string;
  /** The recipe's statement that takes it back, filled in. */
  readonly undo: string;
}
