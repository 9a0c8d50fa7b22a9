import { StillpointError } from './errors.ts';

/** What of a backup is wanted; nothing named: all of it. */
export interface Part {
  readonly databases: readonly string[];
  readonly tables: readonly TableName[];
  /** The known name that somebody who typed another one meant. */
  readonly nearest: Nearest;
}

export type Nearest = (name: string, known: readonly string[]) => string | undefined;

export interface TableName {
  /** Absent: the only database that has such a table. */
  readonly database?: string;
  readonly schema: string;
  readonly table: string;
}

export const WHOLE: Part = { databases: [], tables: [], nearest: () => undefined };

export const isWhole = ({ databases, tables }: Part): boolean => databases.length + tables.length === 0;

/** `[DB.]SCHEMA.TABLE`; a part that contains a point is put in double quotes. Throws `usage`. */
export function parseTable(text: string): TableName {
  const parts = [...text.matchAll(/(?:^|\.)(?:"((?:[^"]|"")+)"|([^."]+))/g)];
  const names = parts.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '');
  const [last = '', schema = '', database] = names.toReversed();
  if (parts.map(([all]) => all).join('') !== text || names.length < 2 || names.length > 3)
    throw new StillpointError('usage', `'${text}' is not a table: write SCHEMA.TABLE or DATABASE.SCHEMA.TABLE.`);
  return { ...(database === undefined ? {} : { database }), schema, table: last };
}

export const formatTable = ({ database, schema, table }: TableName): string =>
  [...(database === undefined ? [] : [database]), schema, table].join('.');
