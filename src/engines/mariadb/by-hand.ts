import type { SourceRecord } from '../../model/manifest.ts';

/** Databases first: grants name tables. Into a server that runs already; users that it has are left as they are. */
export const byHand = (source: SourceRecord, decode: (artifact: string) => string): readonly string[] =>
  source.artifacts.filter(({ name }) => name.endsWith('.sql')).map(({ name }) => `${decode(name)} | mariadb`);
