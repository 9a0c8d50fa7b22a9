import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import type { BackupLine, Verification } from '../../model/manifest.ts';
import { idOfFolder } from '../names.ts';
import { damaged, type StoredManifest, type StoredVerification, unseal } from '../stored-manifest.ts';
import type { Disk } from './disk.ts';

/** A folder that is named like a backup, whole or not. */
export interface Entry {
  readonly id: BackupId;
  readonly job: string;
  readonly folder: string;
  readonly path: string;
}

/** A whole backup: its manifest was read and its digest matched. */
export interface Whole extends Entry {
  readonly stored: StoredManifest;
}

export const MANIFEST = 'manifest.json';

/** Finds backups and reads what is written about them. */
export class Catalog {
  readonly #disk: Disk;
  readonly backups: string;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.backups = join(disk.root, 'backups');
  }

  folderOf(job: string): string {
    return join(this.backups, job);
  }

  async jobs(): Promise<readonly string[]> {
    return (await this.#disk.names(this.backups)).filter((name) => !name.startsWith('.'));
  }

  async *entries(): AsyncGenerator<Entry> {
    for (const job of await this.jobs()) yield* this.entriesOf(job);
  }

  async *entriesOf(job: string): AsyncGenerator<Entry> {
    for (const folder of await this.#disk.names(this.folderOf(job))) {
      const id = idOfFolder(folder);
      if (id !== undefined) yield { id, job, folder, path: join(this.folderOf(job), folder) };
    }
  }

  /** The entry with its manifest; undefined where it has none, which makes it no backup. Throws `damaged`. */
  async read(entry: Entry): Promise<Whole | undefined> {
    const where = join(entry.path, MANIFEST);
    const text = await this.#disk.text(where);
    if (text === undefined) return undefined;
    const stored = unseal(text, where) as unknown as StoredManifest;
    const { id, job } = stored.line;
    if (id !== entry.id || job !== entry.job) throw damaged(where, `it is the manifest of ${id} of job ${job}`);
    return { ...entry, stored };
  }

  /** The same for an entry that must be a backup. */
  async whole(entry: Entry): Promise<Whole> {
    const whole = await this.read(entry);
    if (whole !== undefined) return whole;
    throw new StillpointError(
      'backup-not-found',
      `Backup ${entry.id} is not there: it was never finished, or removed.`,
    );
  }

  async *list(): AsyncGenerator<BackupLine> {
    const lines: BackupLine[] = [];
    for await (const { whole } of this.#judged()) {
      if (whole === undefined) continue;
      const newest = (await this.#verificationFiles(whole.path)).at(-1);
      const record = newest === undefined ? undefined : await this.#verification(whole, newest);
      // A damaged newest record may have been a bad one: the backup counts as not verified.
      const { at, good } = record instanceof StillpointError ? {} : (record ?? {});
      const known = at !== undefined && good !== undefined;
      lines.push(known ? { ...whole.stored.line, verification: { at, good } } : whole.stored.line);
    }
    yield* lines.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? 1 : -1));
  }

  async *damaged(): AsyncGenerator<{ readonly where: string; readonly text: string }> {
    for await (const { entry, whole, error } of this.#judged()) {
      if (error !== undefined) yield { where: entry.path, text: error.message };
      if (whole === undefined) continue;
      for await (const bad of this.damagedVerifications(whole)) yield bad;
    }
  }

  /** The whole records, oldest first. */
  async verifications(entry: Entry): Promise<readonly Verification[]> {
    const all = [];
    for (const file of await this.#verificationFiles(entry.path)) {
      const record = await this.#verification(entry, file);
      if (!(record instanceof StillpointError)) all.push(record.verification);
    }
    return all;
  }

  async *damagedVerifications(entry: Entry): AsyncGenerator<{ readonly where: string; readonly text: string }> {
    for (const file of await this.#verificationFiles(entry.path)) {
      const record = await this.#verification(entry, file);
      if (record instanceof StillpointError) yield { where: join(entry.path, file), text: record.message };
    }
  }

  /** What a user may call a backup. */
  async resolve(name: string): Promise<Whole> {
    if (name === 'latest') return this.#latest(await this.#onlyJob());
    if (name.endsWith('@latest')) return this.#latest(name.slice(0, -'@latest'.length));
    return this.whole(await this.entry(name));
  }

  /** Finds a folder by an unambiguous prefix of its id, without looking into it. */
  async entry(prefix: BackupId): Promise<Entry> {
    const matches: Entry[] = [];
    for await (const entry of this.entries()) if (prefix !== '' && entry.id.startsWith(prefix)) matches.push(entry);
    const [entry, ...others] = matches;
    if (entry === undefined) throw new StillpointError('backup-not-found', `No backup is called '${prefix}' here.`);
    if (others.length === 0) return entry;
    throw new StillpointError('ambiguous', `'${prefix}' may be any of ${matches.map(({ id }) => id).join(', ')}.`);
  }

  async #onlyJob(): Promise<string> {
    const [job, ...others] = await this.jobs();
    if (job === undefined)
      throw new StillpointError('backup-not-found', `There is no backup in ${this.#disk.root} yet.`);
    if (others.length === 0) return job;
    throw new StillpointError('ambiguous', `'latest' may be of any job: ${[job, ...others].join(', ')}.`, {
      next: `Write ${job}@latest.`,
    });
  }

  async #latest(job: string): Promise<Whole> {
    const entries = [];
    for await (const entry of this.entries()) if (entry.job === job) entries.push(entry);
    // A damaged newest one stops here: silently going further back would restore less than was asked for.
    for (const entry of entries.reverse()) {
      const whole = await this.read(entry);
      if (whole !== undefined) return whole;
    }
    throw new StillpointError('backup-not-found', `Job '${job}' has no backup in ${this.#disk.root}.`);
  }

  async *#judged(): AsyncGenerator<{ entry: Entry; whole?: Whole; error?: StillpointError }> {
    for await (const entry of this.entries()) {
      try {
        const whole = await this.read(entry);
        if (whole !== undefined) yield { entry, whole };
      } catch (thrown) {
        yield { entry, error: expected(thrown) };
      }
    }
  }

  async #verificationFiles(path: string): Promise<readonly string[]> {
    return (await this.#disk.names(path)).filter((name) => /^verification-.*\.json$/.test(name));
  }

  async #verification(entry: Entry, file: string): Promise<StoredVerification | StillpointError> {
    const where = join(entry.path, file);
    try {
      const stored = unseal((await this.#disk.text(where)) ?? '', where) as unknown as StoredVerification;
      return stored.id === entry.id ? stored : damaged(where, `it is a verification of ${stored.id}`);
    } catch (thrown) {
      return expected(thrown);
    }
  }
}

/** Damage and formats are told backup by backup; anything else ends the command. */
function expected(thrown: unknown): StillpointError {
  if (thrown instanceof StillpointError && ['damaged', 'repository-format'].includes(thrown.code)) return thrown;
  throw thrown;
}
