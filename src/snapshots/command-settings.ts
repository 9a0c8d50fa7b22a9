import type { Millis } from '../model/time.ts';

/** A way to cut storage that the user wrote down, as programs with their arguments; never a shell string. */
export interface CommandSettings {
  /** The folder that one snapshot holds as of one instant, with everything below it. */
  readonly covers: string;
  /** Makes the snapshot {name}; returns at the cut. */
  readonly create: readonly string[];
  /** Prints the names of all snapshots, one a line; other people's are passed over. */
  readonly find: readonly string[];
  /** Removes the snapshot {name}. */
  readonly remove: readonly string[];
  /** Gives the snapshot {name} the name {kept}. */
  readonly keep: readonly string[];
  /** Where the files of `covers` are seen in the snapshot {name}. */
  readonly files: string;
  /** Makes them to be seen at {files}, and takes them away again: mount and umount. Absent: they are seen by themselves. */
  readonly open?: readonly string[] | undefined;
  readonly close?: readonly string[] | undefined;
  /** When a program has not ended by then, it and all that it started are killed. */
  readonly timeout: Millis;
}

/** What stands for what in the arguments; each is put in as data, whatever it holds. */
export const PLACEHOLDERS = ['name', 'kept', 'run', 'covers', 'files'] as const;

export type Values = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

export const filled = (text: string, values: Partial<Values>): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, key: string) => (values as Readonly<Record<string, string>>)[key] ?? whole);
