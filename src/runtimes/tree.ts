import { once } from 'node:events';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Pack } from 'tar-stream';
import { messageOf, StillpointError } from '../model/errors.ts';
import type { FileSelection, Files } from './files.ts';
import { newTar } from './pack.ts';

const CHUNK = 1 << 20;

const codeOf = (thrown: unknown): string => (thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '');
const isGone = (thrown: unknown): boolean => codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ESTALE';

/** Files below a folder that this process can read: on the host, in a volume by its path, in a mounted snapshot. */
export function treeOf(root: string): Files {
  return {
    tar: (select = {}) => tarOf(root, select),
    async read(path) {
      return await readFile(join(root, path)).catch((cause: unknown) => {
        throw new StillpointError('not-found', `The file ${join(root, path)} cannot be read: ${messageOf(cause)}.`, {
          cause,
        });
      });
    },
    async names(path) {
      return await readdir(join(root, path)).catch((cause: unknown) => {
        if (isGone(cause)) return [];
        throw cause;
      });
    },
    async link(path) {
      return await readlink(join(root, path)).catch((cause: unknown) => {
        if (codeOf(cause) === 'EINVAL' || isGone(cause)) return undefined;
        throw cause;
      });
    },
  };
}

function tarOf(root: string, select: FileSelection): Readable {
  const tar = newTar({ highWaterMark: 4 * CHUNK });
  const work = select.only ? addOnly(tar, root, select.only) : addFolder(tar, root, '', select.skip ?? (() => false));
  work.then(
    () => tar.finalize(),
    (cause: unknown) => tar.destroy(cause instanceof Error ? cause : new Error(String(cause))),
  );
  return tar as unknown as Readable;
}

async function addOnly(tar: Pack, root: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (!(await addOne(tar, root, path)))
      throw new StillpointError('source-changed', `The file ${join(root, path)} is gone.`);
  }
}

async function addFolder(tar: Pack, root: string, folder: string, skip: (path: string) => boolean): Promise<void> {
  let entries: readonly string[];
  try {
    entries = (await readdir(join(root, folder))).sort();
  } catch (cause) {
    // A folder may vanish between its parent's listing and ours; the root may not.
    if (folder !== '' && isGone(cause)) return;
    throw cause;
  }
  for (const entry of entries) {
    const path = folder === '' ? entry : `${folder}/${entry}`;
    if (skip(path)) continue;
    const info = await addOne(tar, root, path);
    if (info === 'directory' && !skip(`${path}/`)) await addFolder(tar, root, path, skip);
  }
}

/** Adds one entry; undefined when it vanished. Sockets and devices are not data and are left out. */
async function addOne(tar: Pack, root: string, path: string): Promise<'directory' | 'file' | 'other' | undefined> {
  const full = join(root, path);
  let info: Awaited<ReturnType<typeof lstat>>;
  try {
    info = await lstat(full);
  } catch (cause) {
    if (isGone(cause)) return undefined;
    throw cause;
  }
  const common = { name: path, mode: info.mode & 0o7777, uid: info.uid, gid: info.gid, mtime: info.mtime };
  if (info.isDirectory()) {
    await put(tar, { ...common, type: 'directory' });
    return 'directory';
  }
  if (info.isSymbolicLink()) {
    const linkname = await readlink(full).catch(() => undefined);
    if (linkname === undefined) return undefined;
    await put(tar, { ...common, type: 'symlink', linkname });
    return 'other';
  }
  if (!info.isFile()) return 'other';
  let handle: FileHandle;
  try {
    handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if (isGone(cause)) return undefined;
    throw cause;
  }
  try {
    await addFile(tar, handle, common);
  } finally {
    await handle.close();
  }
  return 'file';
}

const put = (tar: Pack, header: Parameters<Pack['entry']>[0]): Promise<void> =>
  new Promise((resolve, reject) => {
    tar.entry(header, (cause) => (cause ? reject(cause) : resolve()));
  });

/** Exactly as many bytes as the header says: growth is cut, shrinkage padded with zeros, as pg_basebackup does. */
async function addFile(
  tar: Pack,
  handle: FileHandle,
  header: { name: string; mode: number; uid: number; gid: number; mtime: Date },
): Promise<void> {
  const size = (await handle.stat()).size;
  const done = Promise.withResolvers<void>();
  const sink = tar.entry({ ...header, type: 'file', size }, (cause) => (cause ? done.reject(cause) : done.resolve()));
  // The stream may be destroyed while we wait for room in it.
  done.promise.catch(() => undefined);
  let at = 0;
  while (at < size) {
    const want = Math.min(CHUNK, size - at);
    const buffer = Buffer.allocUnsafe(want);
    let { bytesRead } = await handle.read(buffer, 0, want, at);
    if (bytesRead === 0) {
      buffer.fill(0);
      bytesRead = want;
    }
    at += bytesRead;
    if (!sink.write(buffer.subarray(0, bytesRead))) await Promise.race([once(sink, 'drain'), done.promise]);
  }
  sink.end(undefined);
  await done.promise;
}
