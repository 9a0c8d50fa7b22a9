import { randomBytes } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import type { Runner } from '../../hold/runner.ts';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { BackupLine, Damage, Manifest, Verification } from '../../model/manifest.ts';
import { now } from '../../model/time.ts';
import { Cipher, type Encryption } from '../codec/cipher.ts';
import { FORMAT, seal, unseal } from '../document.ts';
import type { Damaged, Incoming, Reading, Repository, StoredBackup, Survey, Taken } from '../repository.ts';
import { openManifest } from '../stored-manifest.ts';
import { Catalog, type Entry, MANIFEST, type Whole } from './catalog.ts';
import { Disk, isPartial } from './disk.ts';
import { type Lock, lock, type Purpose } from './lock.ts';
import { Records } from './records.ts';
import { survey } from './survey.ts';

export interface DirectoryOptions {
  /** Make a repository where there is none. */
  readonly create: boolean;
  /** Absent: what is stored is not encrypted, and what is encrypted cannot be read. */
  readonly encryption?: Encryption;
  /** This process, so that others can tell whether it is alive. */
  readonly runner: Runner;
}

const REPOSITORY = 'stillpoint.json';

// What `list` does not need is imported where it is used: it shall answer at once.

/** Opens the repository in a folder. Throws `repository-missing` | `repository-format` | `repository-unreadable`. */
export async function openDirectoryRepository(path: string, options: DirectoryOptions): Promise<Repository> {
  const disk = new Disk(resolve(path));
  if (!(await isRepository(disk))) {
    if (!options.create) throw new StillpointError('repository-missing', `There is no repository in ${disk.root}.`);
    await create(disk);
  }
  return new DirectoryRepository(disk, new Cipher(options.encryption), options.runner);
}

async function isRepository(disk: Disk): Promise<boolean> {
  const file = join(disk.root, REPOSITORY);
  const text = await disk.text(file);
  const backups = await disk.names(join(disk.root, 'backups'));
  if (text === undefined && backups.length === 0) return false;
  try {
    unseal(text ?? '', file);
    return true;
  } catch (error) {
    if (!(error instanceof StillpointError && error.code === 'damaged')) throw error;
    const what = text === undefined ? `holds backups, but its ${REPOSITORY} is missing` : `has a damaged ${REPOSITORY}`;
    throw new StillpointError('repository-missing', `${disk.root} ${what}.`, {
      next: `Put ${REPOSITORY} back; that of any other repository of the same format will do. Then: stillpoint check`,
      cause: error,
    });
  }
}

async function create(disk: Disk): Promise<void> {
  await disk.makeFolder(disk.root);
  // Half made by one that died; where it lives, the rename below fails, and the other one's file counts.
  for (const file of (await disk.names(disk.root)).filter(isPartial)) await disk.removeFile(join(disk.root, file));
  const document = seal({ format: FORMAT, id: randomBytes(8).toString('hex'), created: now() });
  try {
    await disk.write(join(disk.root, REPOSITORY), [Buffer.from(document)]);
  } catch (error) {
    if (!(await isRepository(disk))) throw error;
  }
}

class DirectoryRepository implements Repository {
  readonly name: string;
  readonly encrypted: boolean;
  readonly #disk: Disk;
  readonly #catalog: Catalog;
  readonly #records: Records;
  readonly #cipher: Cipher;
  readonly #us: Runner;

  constructor(disk: Disk, cipher: Cipher, us: Runner) {
    this.name = disk.root;
    this.encrypted = cipher.encrypts;
    this.#disk = disk;
    this.#catalog = new Catalog(disk);
    this.#records = new Records(disk, cipher);
    this.#cipher = cipher;
    this.#us = us;
  }

  free(): Promise<number> {
    return this.#disk.free();
  }

  async begin(job: string, id: BackupId): Promise<Incoming> {
    const { begin } = await import('./incoming.ts');
    return begin({ disk: this.#disk, catalog: this.#catalog, cipher: this.#cipher, us: this.#us }, job, id);
  }

  survey(): Promise<Survey> {
    return survey({ disk: this.#disk, catalog: this.#catalog, records: this.#records });
  }

  async *list(): AsyncGenerator<BackupLine> {
    yield* (await this.survey()).backups;
  }

  async *damaged(): AsyncGenerator<Damaged> {
    yield* (await this.survey()).damaged;
  }

  async manifest(name: string): Promise<Manifest> {
    return this.#manifest(await this.#catalog.resolve(name));
  }

  async verifications(id: BackupId): Promise<readonly Verification[]> {
    return this.#records.verifications(await this.#catalog.resolve(id));
  }

  async open(id: BackupId): Promise<Reading> {
    const { openArtifact } = await import('./reading.ts');
    const entry = await this.#catalog.entry(id);
    await using undo = new AsyncDisposableStack();
    const held = undo.use(await this.#lock('read', entry));
    const manifest = await this.#manifest(await this.#catalog.whole(entry));
    undo.move();
    return Object.assign(async (name: string) => openArtifact(entry.path, manifest, name, this.#cipher), {
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    });
  }

  async locate(id: BackupId, file: string): Promise<string> {
    return join((await this.#catalog.entry(id)).path, file);
  }

  async *check(id: BackupId, signal: AbortSignal): AsyncGenerator<Damage> {
    const entry = await this.#catalog.entry(id);
    await using _ = await this.#lock('read', entry);
    yield* this.#check(entry, signal);
  }

  async record(id: BackupId, verification: Verification): Promise<void> {
    const entry = await this.#catalog.entry(id);
    await using _ = await this.#lock('read', entry);
    await this.#records.add(await this.#catalog.whole(entry), verification);
  }

  async pin(id: BackupId, pinned: boolean): Promise<void> {
    const entry = await this.#catalog.entry(id);
    await using _ = await this.#lock('read', entry);
    await this.#records.pin(await this.#catalog.whole(entry), pinned);
  }

  async remove(id: BackupId): Promise<void> {
    const entry = await this.#catalog.entry(id);
    await using _ = await this.#lock('remove', entry);
    if (await this.#records.isPinned(entry.path)) throw pinned(entry.id);
    const { discard } = await import('./incoming.ts');
    await discard(this.#disk, entry.path);
  }

  async stored(id: BackupId): Promise<StoredBackup> {
    const entry = await this.#catalog.entry(id);
    await using undo = new AsyncDisposableStack();
    const held = undo.use(await this.#lock('read', entry));
    const { storedBackup } = await import('./copying.ts');
    const backup = await storedBackup(this.#disk, this.#catalog, entry, held);
    undo.move();
    return backup;
  }

  async take(
    backup: StoredBackup,
    signal: AbortSignal,
    progress: (copiedBytes: number) => void = () => {},
  ): Promise<Taken> {
    const { take } = await import('./copying.ts');
    return take({ disk: this.#disk, catalog: this.#catalog, us: this.#us }, backup, signal, progress);
  }

  async *leftovers(): AsyncGenerator<Leftover> {
    const { leftoversOf } = await import('./leftovers.ts');
    const where = { disk: this.#disk, catalog: this.#catalog, us: this.#us };
    for (const job of await this.#catalog.jobs()) yield* leftoversOf(where, job);
  }

  #manifest({ path, stored }: Whole): Promise<Manifest> {
    return openManifest(stored, this.#cipher, join(path, MANIFEST));
  }

  async *#check(entry: Entry, signal: AbortSignal): AsyncGenerator<Damage> {
    let whole: Whole;
    try {
      whole = await this.#catalog.whole(entry);
    } catch (error) {
      if (!(error instanceof StillpointError && error.code === 'damaged')) throw error;
      yield { file: MANIFEST, text: error.message };
      return;
    }
    const { checkFile } = await import('./reading.ts');
    for (const file of whole.stored.files) {
      const damage = await checkFile(entry.path, file, signal);
      if (damage !== undefined) yield damage;
    }
    const { bad } = await this.#records.survey(entry, await this.#disk.names(entry.path));
    yield* bad.map(({ where, text }) => ({ file: basename(where), text }));
  }

  #lock(purpose: Purpose, { job, id }: Entry): Promise<Lock> {
    return lock(this.#disk, this.#catalog.folderOf(job), { purpose, id, us: this.#us });
  }
}

const pinned = (id: BackupId): StillpointError =>
  new StillpointError('preflight', `Backup ${id} is pinned, so it was not removed.`, {
    meaning: 'Nothing was removed.',
    next: `stillpoint pin --off ${id}`,
  });
