import { once } from 'node:events';
import { normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { extract, type Header, type Pack } from 'tar-stream';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Owner } from '../extract.ts';
import { newTar } from '../pack.ts';

type Entry = Partial<Header> & { name: string };

/** The same tar with its entries below `folder` and owned by `owner`. Entries that lead out of it are refused: a backup is input, too. */
export function retar(tar: Readable, folder: string, owner: Owner): Readable {
  const to = newTar({ highWaterMark: 4 << 20 });
  const work = async (): Promise<void> => {
    // Docker makes missing folders itself, but as root's.
    for (const name of parentsOf(folder)) to.entry({ name, type: 'directory', mode: 0o700, ...owner });
    const { whole } = await appendEntries(tar, to, undefined, (entry) => ({
      ...entry,
      name: inside(folder, entry.name),
      ...owner,
    }));
    if (!whole) throw new StillpointError('damaged', 'The archive ends in the middle of a file.');
    to.finalize();
  };
  work().catch((cause: unknown) => to.destroy(cause instanceof Error ? cause : new Error(String(cause))));
  return to as unknown as Readable;
}

/**
 * Copies the entries of one tar into another. Where it ends inside an entry, that is filled with zeros to the size it
 * announced, and `whole` is false. A stream that failed is an error.
 */
export async function appendEntries(
  tar: Readable,
  to: Pack,
  sent: (name: string) => void = () => undefined,
  change: (entry: Entry) => Entry = (entry) => entry,
): Promise<{ readonly whole: boolean; readonly last: string | undefined }> {
  const from = extract();
  tar.on('error', (cause) => from.destroy(cause)).pipe(from);
  let last: string | undefined;
  try {
    for await (const entry of from) {
      const { type, mode, mtime, uid, gid, linkname, size = 0 } = entry.header;
      last = normalize(entry.header.name).replace(/\/$/, '');
      if (type !== 'file' && type !== 'directory' && type !== 'symlink')
        throw new StillpointError(
          'restore-failed',
          `The archive has an entry of the kind '${type}' (${last}), which no database needs.`,
        );
      const header = {
        name: last,
        type,
        ...given({ mode, mtime, uid, gid, linkname }),
        size: type === 'file' ? size : 0,
      };
      const cut = await append(to, change(header), entry);
      sent(last);
      if (cut === undefined) continue;
      if (tar.errored) throw cut;
      return { whole: false, last };
    }
  } catch (cause) {
    if (cause instanceof StillpointError || tar.errored || messageOf(cause) !== CUT) throw cause;
    return { whole: false, last };
  }
  return { whole: true, last };
}

/** What tar-stream says of a tar that ends inside an entry. */
const CUT = 'Unexpected end of data';

/** Waits until the entry has gone through: a slow reader slows the writer. Returns why it was cut short, if it was. */
async function append(to: Pack, header: Entry, content: AsyncIterable<unknown>): Promise<unknown> {
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  const sink = to.entry(header, (cause) => (cause ? done.reject(cause) : done.resolve()));
  let left = header.size ?? 0;
  const put = async (bytes: Buffer): Promise<void> => {
    left -= bytes.length;
    if (!sink.write(bytes)) await Promise.race([once(sink, 'drain'), done.promise]);
  };
  let cut: unknown;
  try {
    for await (const chunk of content) await put(chunk as Buffer);
  } catch (cause) {
    cut = cause;
  }
  while (left > 0) await put(Buffer.alloc(Math.min(left, 1 << 20)));
  if (header.type === 'file') sink.end(undefined);
  await done.promise;
  return cut;
}

/** Only what is there: tar-stream reads an undefined as a value. */
const given = <T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(values).filter(([, it]) => it !== undefined && it !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

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
