import type { SourceRecord } from '../../model/manifest.ts';
import { quarantineLines, tablespaceFolder } from './quarantine.ts';

/** For a shell that a person types in; nothing here is ever run by us. */
const quoted = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What `restoreFiles` does, with tar and a text editor. */
export function byHand(source: SourceRecord, decode: (artifact: string) => string): readonly string[] {
  return source.method === 'dump' ? dump(source, decode) : files(source, decode);
}

function files(source: SourceRecord, decode: (artifact: string) => string): readonly string[] {
  const folder = quoted(source.name);
  const unpack = (name: string, below = ''): string => `${decode(name)} | tar -xpf - -C ${folder}${below}`;
  const lines = [`mkdir -m 700 ${folder}`];
  for (const { name } of source.artifacts) {
    const oid = /\.tablespace-(\d+)\.tar$/.exec(name)?.[1];
    if (oid !== undefined) {
      const place = tablespaceFolder(oid);
      lines.push(
        `mkdir -p ${folder}/${place}`,
        unpack(name, `/${place}`),
        `ln -s ../${place} ${folder}/pg_tblspc/${oid}`,
      );
    } else if (name.endsWith('.wal.tar')) lines.push(unpack(name, '/pg_wal'));
    else if (name.endsWith('.tar')) lines.push(unpack(name));
  }
  lines.push(
    `cp ${folder}/postgresql.auto.conf ${folder}/stillpoint_source.auto.conf`,
    `cat > ${folder}/postgresql.auto.conf <<'END'\n${quarantineLines(source).join('\n')}\nEND`,
  );
  if (source.method === 'copy') lines.push(`touch ${folder}/recovery.signal`);
  // As root, what was written by hand belongs to root, and a server reads only what is its own.
  lines.push(`[ "$(id -u)" != 0 ] || chown -R --reference=${folder}/PG_VERSION ${folder}`);
  return [...lines, `postgres -D ${folder}`];
}

/** Into a server that runs already: roles first, which databases belong to. A role that it has is told, and left as it is. */
function dump(source: SourceRecord, decode: (artifact: string) => string): readonly string[] {
  return source.artifacts.flatMap(({ name }) => {
    if (name.endsWith('.globals.sql')) return [`${decode(name)} | psql -d postgres`];
    if (!name.endsWith('.dump')) return [];
    return [`${decode(name)} | pg_restore --create --exit-on-error ${intoServer(source.settings[name])}`];
  });
}

/** Every server has these two: they are made anew, from the other one. */
const intoServer = (database: string | undefined): string =>
  database === 'postgres' ? '--clean -d template1' : database === 'template1' ? '--clean -d postgres' : '-d postgres';
