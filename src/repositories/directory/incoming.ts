import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Runner } from '../../hold/runner.ts';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import type { Artifact, Manifest } from '../../model/manifest.ts';
import { now } from '../../model/time.ts';
import type { Cipher } from '../codec/cipher.ts';
import { Meter } from '../codec/meter.ts';
import { compress } from '../codec/zstd.ts';
import { seal } from '../document.ts';
import { folderName, safeName } from '../names.ts';
import type { Incoming, Put } from '../repository.ts';
import { artifactsOf, storedManifest } from '../stored-manifest.ts';
import { type Catalog, MANIFEST } from './catalog.ts';
import type { Disk } from './disk.ts';
import { leftoversOf } from './leftovers.ts';
import { type Lock, lock } from './lock.ts';

/** What a new backup is written with. */
export interface Workshop {
  readonly disk: Disk;
  readonly catalog: Catalog;
  readonly cipher: Cipher;
  readonly us: Runner;
}

/** Takes the job's lock, removes what dead runs of the job left, and makes the folder of the new backup. */
export async function begin({ disk, catalog, cipher, us }: Workshop, job: string, id: BackupId): Promise<Incoming> {
  const folder = catalog.folderOf(safeName(job));
  await cipher.assertUsable();
  await disk.makeFolder(folder);
  await using undo = new AsyncDisposableStack();
  const held = undo.use(await lock(disk, folder, { purpose: 'backup', id, us }));
  for await (const leftover of leftoversOf({ disk, catalog, us }, job, held)) await leftover.remove();
  const path = join(folder, folderName(now(), id));
  await disk.makeFolder(path);
  undo.move();
  return new IncomingFolder(disk, cipher, { path, job, id }, held);
}

/** Removes a backup, or a part of one. Manifest first: what is half removed must not look whole. */
export async function discard(disk: Disk, path: string): Promise<void> {
  if ((await disk.names(path)).includes(MANIFEST)) await disk.removeFile(join(path, MANIFEST));
  await disk.removeFolder(path);
}

class IncomingFolder implements Incoming {
  readonly #disk: Disk;
  readonly #cipher: Cipher;
  readonly #backup: { readonly path: string; readonly job: string; readonly id: BackupId };
  readonly #lock: Lock;
  readonly #streams = new Map<string, { readonly plain: Readable; readonly stored: Promise<Artifact> }>();
  #committed = false;

  constructor(disk: Disk, cipher: Cipher, backup: { path: string; job: string; id: BackupId }, held: Lock) {
    this.#disk = disk;
    this.#cipher = cipher;
    this.#backup = backup;
    this.#lock = held;
  }

  readonly put: Put = async (name, plain, progress = () => {}) => {
    // The stream may fail before the first read of it; reading it then throws that error.
    plain.on('error', () => {});
    try {
      if (this.#streams.has(safeName(name))) {
        throw new StillpointError('internal', `The artifact '${name}' was stored twice.`);
      }
      const stored = this.#store(name, plain, progress);
      this.#streams.set(name, { plain, stored });
      return await stored;
    } finally {
      plain.destroy();
    }
  };

  async commit(manifest: Manifest): Promise<void> {
    const { id, job, path } = this.#backup;
    if (manifest.id !== id || manifest.job !== job || this.#committed) {
      throw new StillpointError('internal', `The manifest of ${manifest.id} was given to backup ${id}.`);
    }
    await this.#keepOnly(artifactsOf(manifest));
    const document = Buffer.from(seal(await storedManifest(manifest, this.#cipher)));
    await this.#lock.assertHeld();
    await this.#disk.write(join(path, MANIFEST), [document]);
    this.#committed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _ = this.#lock;
    if (this.#committed) return;
    for (const { plain } of this.#streams.values()) plain.destroy();
    await Promise.allSettled([...this.#streams.values()].map(({ stored }) => stored));
    // What cannot be removed now has no manifest: leftovers tells it, and the job's next run removes it.
    await Promise.allSettled([discard(this.#disk, this.#backup.path)]);
  }

  async #store(name: string, plain: Readable, progress: NonNullable<Parameters<Put>[2]>): Promise<Artifact> {
    const file = `${name}.zst${this.#cipher.encrypts ? '.age' : ''}`;
    const read = new Meter();
    const written = new Meter();
    const told = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        yield chunk;
        progress(read.bytes, written.bytes);
      }
    };
    const frames = compress(read.through(plain));
    const stored = written.through(this.#cipher.encrypts ? this.#cipher.encrypt(frames) : frames);
    await this.#disk.write(join(this.#backup.path, file), told(stored));
    return {
      name,
      file,
      plainBytes: read.bytes,
      plainSha256: read.sha256(),
      storedBytes: written.bytes,
      storedSha256: written.sha256(),
    };
  }

  /** What the manifest names must be stored as it says; what it does not name, such as a failed source's, is removed. */
  async #keepOnly(named: readonly Artifact[]): Promise<void> {
    const stored = new Map<string, Artifact>();
    for (const { stored: artifact } of this.#streams.values()) {
      const [outcome] = await Promise.allSettled([artifact]);
      if (outcome.status === 'fulfilled') stored.set(outcome.value.file, outcome.value);
    }
    for (const artifact of named) {
      if (stored.get(artifact.file)?.storedSha256 !== artifact.storedSha256) {
        throw new StillpointError('internal', `The manifest names ${artifact.file}, which was not stored like that.`);
      }
      stored.delete(artifact.file);
    }
    for (const file of stored.keys()) await this.#disk.removeFile(join(this.#backup.path, file));
  }
}
