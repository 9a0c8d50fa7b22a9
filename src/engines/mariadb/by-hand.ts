import type { SourceRecord } from '../../model/manifest.ts';
import { binlogIndex, imageName, imageOptions } from './image.ts';
import { neededOptions, QUARANTINE } from './server.ts';

type Decode = (artifact: string) => string;

/** What `restore` does, with tar and the server's own programs. */
export const byHand = (source: SourceRecord, decode: Decode): readonly string[] =>
  source.method === 'dump' ? dump(source, decode) : image(source, decode);

/** Databases first: grants name tables. Into a server that runs already; users that it has are left as they are. */
const dump = ({ artifacts }: SourceRecord, decode: Decode): readonly string[] =>
  artifacts.filter(({ name }) => name.endsWith('.sql')).map(({ name }) => `${decode(name)} | mariadb`);

/** A server without network, which is no replica and runs no events; it recovers as after a power cut. */
function image(source: SourceRecord, decode: Decode): readonly string[] {
  const folder = quoted(source.name);
  const index = binlogIndex(source);
  const options = [...QUARANTINE, ...neededOptions(source), ...imageOptions(source)].map(quoted).join(' ');
  return [
    `mkdir -m 700 ${folder}`,
    `${decode(imageName(source.name))} | tar -xpf - -C ${folder}`,
    ...(index ? [`cat > ${folder}/${quoted(index.path)} <<'END'\n${index.text}END`] : []),
    // As root tar keeps the owner of each file, and the folder must be his, too.
    `[ "$(id -u)" != 0 ] || chown --reference=${folder}/ibdata1 ${folder}`,
    `mariadbd --no-defaults --datadir="$PWD"/${folder} --socket="$PWD"/mariadbd.sock ${options}`,
  ];
}

/** For a shell that a person types in; nothing here is ever run by us. */
const quoted = (text: string): string => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
