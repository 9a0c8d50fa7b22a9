import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runner } from '../../hold/runner.ts';
import { StillpointError } from '../../model/errors.ts';
import { Meter } from '../codec/meter.ts';
import { damaged } from '../document.ts';
import { safeName } from '../names.ts';
import type { StoredBackup, StoredFile, Taken } from '../repository.ts';
import { type Catalog, type Entry, MANIFEST } from './catalog.ts';
import type { Disk } from './disk.ts';
import { type Lock, lock } from './lock.ts';
import { checkFile, reasonOf, storedBytes } from './reading.ts';
import { isRecord } from './records.ts';

/** A copy that is not whole yet. No backup's folder begins with a dot, so nothing else looks into it. */
export const STAGING = '.copy-';

/** Opens a backup as it is stored; `held` keeps it from being removed. */
export async function storedBackup(disk: Disk, catalog: Catalog, entry: Entry, held: Lock): Promise<StoredBackup> {
  const { stored } = await catalog.whole(entry);
  const records = new Map<string, string>();
  for (const file of (await disk.names(entry.path)).filter(isRecord)) {
    records.set(file, (await disk.text(join(entry.path, file))) ?? '');
  }
  return {
    id: entry.id,
    job: entry.job,
    folder: entry.folder,
    files: stored.files,
    manifest: (await disk.text(join(entry.path, MANIFEST))) ?? '',
    records,
    read: (file, from) => storedBytes(join(entry.path, safeName(file)), from),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

interface Where {
  readonly disk: Disk;
  readonly catalog: Catalog;
  readonly us: Runner;
}

/** Takes a copy into a folder of its own, which gets the backup's name when everything in it is whole. */
export async function take(
  { disk, catalog, us }: Where,
  backup: StoredBackup,
  signal: AbortSignal,
  progress: (copiedBytes: number) => void,
): Promise<Taken> {
  const job = catalog.folderOf(safeName(backup.job));
  const final = join(job, safeName(backup.folder));
  const staging = join(job, `${STAGING}${backup.folder}`);
  await disk.makeFolder(job);
  await using _ = await lock(disk, job, { purpose: 'copy', id: backup.id, us });
  const total = backup.files.reduce((sum, file) => sum + file.storedBytes, 0);
  if (await isThere(disk, final, backup)) {
    await addRecords(disk, final, backup);
    return { foundBytes: total, copiedBytes: 0 };
  }

  await disk.makeFolder(staging);
  const arrivals = new Arrivals(disk, staging, backup, signal, progress);
  try {
    await arrivals.all(total);
    await addRecords(disk, staging, backup);
    await disk.write(join(staging, MANIFEST), [Buffer.from(backup.manifest)]);
    await disk.rename(staging, final);
  } catch (error) {
    // What a cut leaves is gone on from; what filled the disk must not keep it full.
    if (error instanceof StillpointError && error.code === 'repository-full') await disk.removeFolder(staging);
    throw error;
  }
  return { foundBytes: total - arrivals.copied, copiedBytes: arrivals.copied };
}

async function isThere(disk: Disk, final: string, backup: StoredBackup): Promise<boolean> {
  const text = await disk.text(join(final, MANIFEST));
  if (text === undefined || text === backup.manifest) return text !== undefined;
  throw new StillpointError('damaged', `${final} is there already, with another manifest than the backup has here.`, {
    meaning: 'Nothing was copied. One of the two is not what was stored.',
    next: `stillpoint check ${backup.id}   # in both repositories`,
  });
}

/** Those that are not there yet: a backup may be verified after it was copied. */
async function addRecords(disk: Disk, folder: string, { records }: StoredBackup): Promise<void> {
  const there = new Set(await disk.names(folder));
  for (const [name, text] of records) {
    if (!there.has(name)) await disk.write(join(folder, safeName(name)), [Buffer.from(text)]);
  }
}

/** The files of one copy, as they come in. */
class Arrivals {
  readonly #disk: Disk;
  readonly #staging: string;
  readonly #backup: StoredBackup;
  readonly #signal: AbortSignal;
  readonly #progress: (copiedBytes: number) => void;
  copied = 0;

  constructor(
    disk: Disk,
    staging: string,
    backup: StoredBackup,
    signal: AbortSignal,
    progress: (copiedBytes: number) => void,
  ) {
    this.#disk = disk;
    this.#staging = staging;
    this.#backup = backup;
    this.#signal = signal;
    this.#progress = progress;
  }

  async all(total: number): Promise<void> {
    await this.#assertRoom(total);
    for (const file of this.#backup.files) {
      if ((await checkFile(this.#staging, file, this.#signal)) !== undefined) await this.#fetch(file);
    }
  }

  /** Before hours of copying; a backup that is made here meanwhile may still fill the disk. */
  async #assertRoom(total: number): Promise<void> {
    let here = 0;
    for (const name of await this.#disk.names(this.#staging)) {
      here += (await this.#disk.size(join(this.#staging, name))) ?? 0;
    }
    const free = await this.#disk.free();
    if (total - here <= free) return;
    const need = `the copy needs ${total - here} bytes more, ${free} are free`;
    throw new StillpointError('repository-full', `The repository ${this.#disk.root} has too little room: ${need}.`, {
      meaning: `Backup ${this.#backup.id} was not copied. It is whole where it is.`,
    });
  }

  async #fetch(file: StoredFile): Promise<void> {
    const part = join(this.#staging, `${safeName(file.file)}.part`);
    const before = (await this.#disk.size(part)) ?? 0;
    const meter = new Meter();
    if (before > 0) await drain(meter.through(storedBytes(part)));
    if (meter.bytes <= file.storedBytes) {
      await this.#disk.append(part, meter.through(this.#counted(file.file, before)));
    }
    if (meter.bytes !== file.storedBytes || meter.sha256() !== file.storedSha256) {
      await rm(part, { force: true });
      // The part of an earlier try may be what a power cut left of it: once more from the start.
      if (before > 0) return this.#fetch(file);
      throw damaged(
        `${file.file} of backup ${this.#backup.id}`,
        'its bytes do not match the manifest; it was not copied',
      );
    }
    const path = join(this.#staging, file.file);
    await this.#disk.rename(part, path);
    const damage = await checkFile(this.#staging, file, this.#signal);
    if (damage !== undefined) throw damaged(path, `it arrived, but ${damage.text}`);
  }

  async *#counted(file: string, from: number): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#backup.read(file, from)) {
        this.#signal.throwIfAborted();
        yield chunk;
        this.copied += chunk.length;
        this.#progress(this.copied);
      }
    } catch (error) {
      this.#signal.throwIfAborted();
      throw damaged(`${file} of backup ${this.#backup.id}`, reasonOf(error), error);
    }
  }
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks);
}

/** The folders of copies that were cut, to go on from or to remove. */
export const isStaging = (folder: string): boolean => folder.startsWith(STAGING);
