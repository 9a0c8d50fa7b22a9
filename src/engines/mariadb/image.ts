import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Files } from '../../runtimes/files.ts';
import { ACCOUNT_FILE } from './server.ts';

/** `orders.image.tar`: the data directory with redo log, undo and binary logs, as it was at the cut. */
export const imageName = (source: string): string => `${source}.image.tar`;

/** What a server makes anew at every start, or what says that another one runs (manual: InnoDB Temporary Tablespaces). */
const LEFT_OUT = ['ibtmp1', 'ib_buffer_pool.incomplete', 'lost+found', '.stillpoint', ACCOUNT_FILE];

export const imageOf = (files: Files): Readable =>
  files.tar({ skip: (path) => LEFT_OUT.includes(path) || /^[^/]+\.(pid|sock)$/.test(path) });

/** Settings that a server must have to read these very files; others it would find damaged, or recover without. */
const OF_FILES = ['innodb_log_file_size'];

/**
 * Options of the server that recovers an image. Its binary log is one of them: InnoDB's prepared transactions are
 * committed or rolled back by what is in it, and the position is read back from it (manual: Transaction Coordinator Log).
 */
export function imageOptions({ settings }: SourceRecord): readonly string[] {
  const own = OF_FILES.flatMap((name) =>
    settings[name] === undefined ? [] : [`--${name.replaceAll('_', '-')}=${settings[name]}`],
  );
  const { base, index } = binlogPlaces(settings);
  return base === undefined ? own : [...own, `--log-bin=./${base}`, `--log-bin-index=./${index}`];
}

type Settings = Readonly<Record<string, string>>;

/** Where the binary logs and their list lie in the data directory; undefined where none are kept. */
function binlogPlaces(settings: Settings): { readonly base: string | undefined; readonly index: string } {
  const { log_bin: on, log_bin_basename: base = '', log_bin_index: index = `${base}.index`, datadir = '' } = settings;
  const within = (path: string): string => posix.relative(datadir, path);
  return on === 'ON' ? { base: within(base), index: within(index) } : { base: undefined, index: '' };
}

/** The names of the binary logs of an image, for its record. */
export async function binlogsOf(files: Files, settings: Settings): Promise<Settings> {
  const { base, index } = binlogPlaces(settings);
  if (base === undefined) return {};
  const lines = (await files.read(index)).toString('utf8').split('\n');
  const names = lines.filter((it) => it !== '').map((it) => posix.basename(it));
  return { binlogs: names.join(' ') };
}

/** The list of the binary logs: the source's own may name them by paths that only its machine has. */
export function binlogIndex({ settings }: SourceRecord): { readonly path: string; readonly text: string } | undefined {
  const { base, index } = binlogPlaces(settings);
  if (base === undefined) return undefined;
  const names = (settings.binlogs ?? '').split(' ').filter((it) => it !== '');
  return { path: index, text: names.map((it) => `./${posix.join(posix.dirname(base), it)}\n`).join('') };
}
