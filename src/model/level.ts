/**
 * How consistent one source of a backup is.
 * - `crash`: the write-ordered state of all its volumes at one instant; recovery needed.
 * - `application`: the engine's own protocol: everything acknowledged before a recorded position and nothing half-done.
 * Nothing else is called a backup. *Claimed* at backup time; *verified* only by a restore.
 */
export type Level = 'crash' | 'application';

/** Why something is so, in a form that a program can test and a person can read. */
export interface Reason {
  readonly code: string;
  readonly text: string;
}
