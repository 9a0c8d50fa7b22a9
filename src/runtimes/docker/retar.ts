import { once } from 'node:events';
import { normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header, type Pack, pack } from 'tar-stream';
import { StillpointError } from '../../model/errors.ts';
import type { Owner } from '../extract.ts';

const KINDS: readonly Header['type'][] = ['file', 'directory', 'symlink'];

/** The same tar with its entries below `folder` and owned by `owner`. Entries that lead out of it are refused: a backup is input, too. */
export function retar(tar: Readable, folder: string, owner: Owner): Readable {
  const from = extract();
  const to = pack({ highWaterMark: 4 << 20 });
  const copy = (async () => {
    // Docker makes missing folders itself, but as root's.
    for (const name of parentsOf(folder)) to.entry({ name, type: 'directory', mode: 0o700, ...owner });
    for await (const entry of from) {
      const { name, type = 'file', mode, mtime, linkname, size = 0 } = entry.header;
      if (!KINDS.includes(type))
        throw new StillpointError(
          'restore-failed',
          `The archive has an entry of the kind '${type}' (${name}), which no database needs.`,
        );
      const header: Partial<Header> & { name: string } = {
        name: inside(folder, name),
        type,
        ...owner,
        ...(mode === undefined ? {} : { mode }),
        ...(mtime === undefined ? {} : { mtime }),
        ...(linkname ? { linkname } : {}),
        size: type === 'file' ? size : 0,
      };
      await add(to, header, entry);
    }
    to.finalize();
  })();
  const fail = (cause: unknown): void => void to.destroy(cause instanceof Error ? cause : new Error(String(cause)));
  copy.catch(fail);
  pipeline(tar, from).catch(fail);
  return to as unknown as Readable;
}

/** Waits until the entry has gone through: a slow reader slows the writer. */
async function add(to: Pack, header: Partial<Header> & { name: string }, entry: AsyncIterable<unknown>): Promise<void> {
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  const sink = to.entry(header, (cause) => (cause ? done.reject(cause) : done.resolve()));
  for await (const chunk of entry) {
    if (!sink.write(chunk as Buffer)) await Promise.race([once(sink, 'drain'), done.promise]);
  }
  if (header.type === 'file') sink.end(undefined);
  await done.promise;
}

function inside(folder: string, name: string): string {
  const path = normalize(name);
  if (path.startsWith('/') || path === '..' || path.startsWith('../'))
    throw new StillpointError('restore-failed', `The archive has an entry that leads out of the target: ${name}.`);
  return normalize(`${folder}/${path}`);
}

/** `a/b` has `a` and `a/b`. */
const parentsOf = (folder: string): readonly string[] => {
  const names = folder.split('/').filter((it) => it !== '');
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
};
