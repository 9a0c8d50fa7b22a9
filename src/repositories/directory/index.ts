import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Runner } from '../../hold/runner.ts';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { Damage, Manifest, Verification } from '../../model/manifest.ts';
import { now } from '../../model/time.ts';
import { Cipher, type Encryption } from '../codec/cipher.ts';
import { FORMAT, seal, unseal } from '../document.ts';
import type { Incoming, Reading, Repository } from '../repository.ts';
import { openManifest } from '../stored-manifest.ts';
import { Catalog, type Entry, MANIFEST, type Whole } from './catalog.ts';
import { Disk } from './disk.ts';
import { begin, discard } from './incoming.ts';
import { list, listDamaged } from './listing.ts';
import { holders, type Lock, lock, type Purpose } from './lock.ts';
import { checkFile, openArtifact } from './reading.ts';
import { Records } from './records.ts';

export interface DirectoryOptions {
  /** Make a repository where there is none. */
  readonly create: boolean;
  /** Absent: what is stored is not encrypted, and what is encrypted cannot be read. */
  readonly encryption?: Encryption;
  /** This process, so that others can tell whether it is alive. */
  readonly runner: Runner;
}

const REPOSITORY = 'stillpoint.json';

/** Opens the repository in a folder. Throws `repository-missing` | `repository-format` | `repository-unreadable`. */
export async function openDirectoryRepository(path: string, options: DirectoryOptions): Promise<Repository> {
  const disk = new Disk(resolve(path));
  const file = join(disk.root, REPOSITORY);
  const text = await disk.text(file);
  if (text !== undefined) {
    unseal(text, file);
  } else if ((await disk.names(join(disk.root, 'backups'))).length > 0) {
    throw new StillpointError('repository-missing', `${disk.root} holds backups, but its ${REPOSITORY} is missing.`, {
      next: `Put ${REPOSITORY} back; that of any other repository of the same format will do.`,
    });
  } else if (options.create) {
    await disk.makeFolder(disk.root);
    await disk.write(file, [Buffer.from(seal({ format: FORMAT, id: randomBytes(8).toString('hex'), created: now() }))]);
  } else {
    throw new StillpointError('repository-missing', `There is no repository in ${disk.root}.`);
  }
  return new DirectoryRepository(disk, new Cipher(options.encryption), options.runner);
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

  begin(job: string, id: BackupId): Promise<Incoming> {
    return begin({ disk: this.#disk, catalog: this.#catalog, cipher: this.#cipher, us: this.#us }, job, id);
  }

  list() {
    return list(this.#catalog, this.#records);
  }

  damaged() {
    return listDamaged(this.#catalog, this.#records);
  }

  async manifest(name: string): Promise<Manifest> {
    return this.#manifest(await this.#catalog.resolve(name));
  }

  async verifications(id: BackupId): Promise<readonly Verification[]> {
    return this.#records.verifications(await this.#catalog.resolve(id));
  }

  async open(id: BackupId): Promise<Reading> {
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
    await this.#records.add(await this.#catalog.resolve(id), verification);
  }

  async pin(id: BackupId, pinned: boolean): Promise<void> {
    await this.#records.pin(await this.#catalog.resolve(id), pinned);
  }

  async remove(id: BackupId): Promise<void> {
    const entry = await this.#catalog.entry(id);
    await using _ = await this.#lock('remove', entry);
    if (await this.#records.isPinned(entry.path)) throw pinned(entry.id);
    await discard(this.#disk, entry.path);
  }

  async *leftovers(): AsyncGenerator<Leftover> {
    for (const job of await this.#catalog.jobs()) yield* this.#leftoversOf(job);
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
    for (const file of whole.stored.files) {
      const damage = await checkFile(entry.path, file, signal);
      if (damage !== undefined) yield damage;
    }
    for await (const { where, text } of this.#records.damaged(entry)) {
      yield { file: basename(where), text };
    }
  }

  async *#leftoversOf(job: string): AsyncGenerator<Leftover> {
    const folder = this.#catalog.folderOf(job);
    const locks = await holders(this.#disk, folder, this.#us);
    for (const { file, id } of locks.filter(({ dead }) => dead)) {
      yield {
        run: id,
        kind: 'repository lock',
        what: `lock of a dead run in ${file}`,
        holds: false,
        remove: () => rm(file, { force: true }),
      };
    }
    const busy = new Set(locks.filter(({ dead, purpose }) => !dead && purpose !== 'read').map(({ id }) => id));
    for await (const entry of this.#catalog.entriesOf(job)) {
      if (busy.has(entry.id) || (await this.#isWhole(entry))) continue;
      yield {
        run: entry.id,
        kind: 'partial backup',
        what: `folder ${entry.path} of a run that did not end`,
        holds: false,
        remove: () => this.#removePartial(entry),
      };
    }
  }

  async #removePartial(entry: Entry): Promise<void> {
    await using _ = await this.#lock('remove', entry);
    if (!(await this.#isWhole(entry))) await this.#disk.removeFolder(entry.path);
  }

  async #isWhole(entry: Entry): Promise<boolean> {
    return (await this.#disk.names(entry.path)).includes(MANIFEST);
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
