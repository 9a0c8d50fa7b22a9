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

function dump(source: SourceRecord, decode: (artifact: string) => string): readonly string[] {
  return source.artifacts.flatMap(({ name }) => {
    if (name.endsWith('.globals.sql')) return [`${decode(name)} | psql -d postgres`];
    if (name.endsWith('.dump')) return [`${decode(name)} | pg_restore --create --exit-on-error -d postgres`];
    return [];
  });
}
