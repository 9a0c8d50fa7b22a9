import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import { damaged, unseal } from '../document.ts';
import { idOfFolder } from '../names.ts';
import type { StoredManifest } from '../stored-manifest.ts';
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

/** An entry that was looked at: whole, damaged, or neither, which makes it no backup. */
export interface Judged {
  readonly entry: Entry;
  readonly whole?: Whole;
  readonly error?: StillpointError;
}

export const MANIFEST = 'manifest.json';

/** Finds backups by what users call them, and reads their manifests. */
export class Catalog {
  readonly #disk: Disk;
  readonly #backups: string;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.#backups = join(disk.root, 'backups');
  }

  folderOf(job: string): string {
    return join(this.#backups, job);
  }

  async jobs(): Promise<readonly string[]> {
    return (await this.#disk.names(this.#backups)).filter((name) => !name.startsWith('.'));
  }

  async *entries(): AsyncGenerator<Entry> {
    for (const job of await this.jobs()) yield* this.entriesOf(job);
  }

  async *entriesOf(job: string): AsyncGenerator<Entry> {
    for (const folder of await this.#disk.names(this.folderOf(job))) {
      const entry = this.entryOf(job, folder);
      if (entry !== undefined) yield entry;
    }
  }

  /** Undefined where the folder is not named like a backup. */
  entryOf(job: string, folder: string): Entry | undefined {
    const id = idOfFolder(folder);
    return id === undefined ? undefined : { id, job, folder, path: join(this.folderOf(job), folder) };
  }

  /** The entry with its manifest; undefined where it has none. Throws `damaged` | `repository-format`. */
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

  async judge(entry: Entry): Promise<Judged> {
    try {
      const whole = await this.read(entry);
      return whole === undefined ? { entry } : { entry, whole };
    } catch (thrown) {
      return { entry, error: damageOf(thrown) };
    }
  }

  /** What a user may call a backup: an unambiguous prefix of its id, `JOB@latest`, or `latest`. */
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
    const entries = (await Array.fromAsync(this.entries())).filter((entry) => entry.job === job);
    // A damaged newest one stops here: silently going further back would restore less than was asked for.
    for (const entry of entries.reverse()) {
      const whole = await this.read(entry);
      if (whole !== undefined) return whole;
    }
    throw new StillpointError('backup-not-found', `Job '${job}' has no backup in ${this.#disk.root}.`);
  }
}

/** Damage and newer formats are told backup by backup; anything else ends the command. */
export function damageOf(thrown: unknown): StillpointError {
  if (thrown instanceof StillpointError && ['damaged', 'repository-format'].includes(thrown.code)) return thrown;
  throw thrown;
}
