import type { SourceRecord } from '../../model/manifest.ts';
import { neededOptions, QUARANTINE } from './server.ts';

/** For a shell that a person types in; nothing here is ever run by us. */
const quoted = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What `restore` does, with tar and MariaDB's own programs. */
export function byHand(source: SourceRecord, decode: (artifact: string) => string): readonly string[] {
  return source.method === 'dump' ? dump(source, decode) : files(source, decode);
}

/** Databases first: grants name tables. Into a server that runs already; users that it has are left as they are. */
const dump = (source: SourceRecord, decode: (artifact: string) => string): readonly string[] =>
  source.artifacts.filter(({ name }) => name.endsWith('.sql')).map(({ name }) => `${decode(name)} | mariadb`);

function files(source: SourceRecord, decode: (artifact: string) => string): readonly string[] {
  const folder = quoted(source.name);
  const unpack = source.artifacts
    .filter(({ name }) => name.endsWith('.tar'))
    .map(({ name }) => `${decode(name)} | tar -xpf - -C ${folder}`);
  return [
    `mkdir -m 700 ${folder}`,
    ...unpack,
    // As root, the server runs as the user whose files they are.
    `[ "$(id -u)" != 0 ] || chown --reference=${folder}/ibdata1 ${folder}`,
    `mariadbd --no-defaults --datadir="$PWD"/${folder} ${[...QUARANTINE, ...neededOptions(source)].map(quoted).join(' ')}`,
  ];
}
