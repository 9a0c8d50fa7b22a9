import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, statfs, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const READ_ONLY = new Set(['EROFS', 'EACCES', 'EPERM']);

/** A file that is being written: never a name that anything else looks for, and never that of another writer. */
const temporary = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.partial`);

export const isPartial = (file: string): boolean => file.startsWith('.') && file.endsWith('.partial');

const BATCH = 1024 * 1024;

/** The files of one repository: what is written is durable when a call resolves, and a failure says what it means. */
export class Disk {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.root);
    return bavail * bsize;
  }

  /** Writes all of `chunks` under a temporary name, syncs, renames, syncs the folder. A failure leaves no file. */
  async write(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const partial = temporary(path);
    const handle = await this.#attempt(path, () => open(partial, 'wx', 0o600));
    let written = partial;
    try {
      try {
        await this.#writeAll(path, handle, chunks);
        await this.#attempt(path, () => handle.sync());
      } finally {
        await this.#attempt(path, () => handle.close());
      }
      await this.#attempt(path, () => rename(partial, path));
      written = path;
      await this.syncFolder(dirname(path));
    } catch (error) {
      // Best effort, so that the first error is the one that is told; what stays, the next run removes.
      await Promise.allSettled([rm(written, { force: true })]);
      throw error;
    }
  }

  /** Adds to a file that may be there, and syncs. What a failure left stays, to go on from. */
  async append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const handle = await this.#attempt(path, () => open(path, 'a', 0o600));
    try {
      await this.#writeAll(path, handle, chunks);
      await this.#attempt(path, () => handle.sync());
    } finally {
      await this.#attempt(path, () => handle.close());
    }
  }

  /** Renames within a folder, or a folder, durably. */
  async rename(from: string, to: string): Promise<void> {
    await this.#attempt(to, () => rename(from, to));
    await this.syncFolder(dirname(to));
  }

  /** An empty file that must not exist yet; not synced, because it means nothing after a power cut. */
  async create(path: string): Promise<void> {
    const handle = await this.#attempt(path, () => open(path, 'wx', 0o600));
    await handle.close();
  }

  /** Makes the folder and those above it, durably. (mkdir's own `recursive` calls a read-only disk a missing folder.) */
  async makeFolder(path: string): Promise<void> {
    const made = await this.#attempt(path, async () => {
      try {
        await mkdir(path, { mode: 0o700 });
        return 'made';
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') return 'there';
        if (errnoOf(error) === 'ENOENT') return 'parent missing';
        throw error;
      }
    });
    if (made === 'there') return;
    if (made === 'made') return this.syncFolder(dirname(path));
    await this.makeFolder(dirname(path));
    await this.makeFolder(path);
  }

  async removeFile(path: string): Promise<void> {
    await this.#attempt(path, () => unlink(path));
    await this.syncFolder(dirname(path));
  }

  async removeFolder(path: string): Promise<void> {
    await this.#attempt(path, () => rm(path, { recursive: true, force: true }));
    await this.syncFolder(dirname(path));
  }

  /** Names in a folder, sorted; none where it does not exist. */
  async names(path: string): Promise<readonly string[]> {
    return (await this.#reading(path, () => readdir(path)))?.sort() ?? [];
  }

  /** Length of a file; undefined where it does not exist. */
  async size(path: string): Promise<number | undefined> {
    return (await this.#reading(path, () => stat(path)))?.size;
  }

  /** The text of a small file; undefined where it does not exist. */
  text(path: string): Promise<string | undefined> {
    return this.#reading(path, () => readFile(path, 'utf8'));
  }

  async syncFolder(path: string): Promise<void> {
    await this.#attempt(path, async () => {
      const folder = await open(path, 'r');
      try {
        await folder.sync();
      } catch (error) {
        // CIFS and some FUSE file systems cannot sync a folder; there a rename is as durable as they make it.
        if (!['EINVAL', 'ENOTSUP'].includes(errnoOf(error))) throw error;
      } finally {
        await folder.close();
      }
    });
  }

  /** Small pieces are written together: each write waits its turn in the thread pool behind blocks being compressed. */
  async #writeAll(
    path: string,
    handle: FileHandle,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    let pieces: Uint8Array[] = [];
    let length = 0;
    const flush = async () => {
      const { bytesWritten } = await this.#attempt(path, () => handle.writev(pieces));
      // A short write is that of a disk nearly full; the next one tells.
      if (bytesWritten < length) {
        const rest = Buffer.concat(pieces).subarray(bytesWritten);
        await this.#attempt(path, () => handle.writeFile(rest));
      }
      pieces = [];
      length = 0;
    };
    for await (const chunk of chunks) {
      pieces.push(chunk);
      length += chunk.length;
      if (length >= BATCH) await flush();
    }
    if (length > 0) await flush();
  }

  async #reading<T>(path: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw new StillpointError('repository-unreadable', `Cannot read ${path}: ${explain(code)}.`, { cause: error });
    }
  }

  async #attempt<T>(path: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw await this.#explainWrite(path, error);
    }
  }

  async #explainWrite(path: string, error: unknown): Promise<StillpointError> {
    const code = errnoOf(error);
    if (FULL.has(code)) {
      const free = await this.free();
      return new StillpointError(
        'repository-full',
        `The repository ${this.root} is full (${explain(code)}): ${free} bytes are free. It was writing ${path}.`,
        { cause: error },
      );
    }
    if (READ_ONLY.has(code)) {
      return new StillpointError('repository-read-only', `Cannot write ${path}: ${explain(code)}.`, { cause: error });
    }
    return new StillpointError('repository-broken', `Cannot write ${path}: ${explain(code)}.`, { cause: error });
  }
}

export const errnoOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file system takes no file this large',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EIO: 'the disk reports an error, EIO',
};

const explain = (code: string): string => WORDS[code] ?? code;
