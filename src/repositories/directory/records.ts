import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import type { BackupLine, Verification } from '../../model/manifest.ts';
import { type Instant, now } from '../../model/time.ts';
import type { Cipher } from '../codec/cipher.ts';
import { damaged, FORMAT, seal, unseal } from '../document.ts';
import type { Damaged } from '../repository.ts';
import { openVerification, type StoredVerification, storedVerification } from '../stored-manifest.ts';
import { damageOf, type Entry, type Whole } from './catalog.ts';
import type { Disk } from './disk.ts';

const PIN = 'pinned.json';

export const isRecord = (file: string): boolean => /^verification-.*\.json$/.test(file);

/** What is written beside a manifest later: verifications, and whether the backup is pinned. */
export class Records {
  readonly #disk: Disk;
  readonly #cipher: Cipher;

  constructor(disk: Disk, cipher: Cipher) {
    this.#disk = disk;
    this.#cipher = cipher;
  }

  /**
   * What `list` shows of the records among `files`. A damaged newest verification may have been a bad one: the backup
   * counts as not verified.
   */
  async survey(
    { id, path }: Entry,
    files: readonly string[],
  ): Promise<{ readonly beside: Pick<BackupLine, 'verification' | 'pinned'>; readonly bad: readonly Damaged[] }> {
    const bad: Damaged[] = [];
    let newest: StoredVerification | undefined;
    for (const file of files.filter(isRecord)) {
      const where = join(path, file);
      const record = await this.#read(id, where);
      newest = record instanceof StillpointError ? undefined : record;
      if (record instanceof StillpointError) bad.push({ where, text: record.message });
    }
    const verification = newest && { verification: { at: newest.at, good: newest.good } };
    return { beside: { ...verification, ...(files.includes(PIN) ? { pinned: true } : {}) }, bad };
  }

  /** The whole ones, oldest first. */
  async verifications(whole: Whole): Promise<readonly Verification[]> {
    const all = [];
    for (const file of (await this.#disk.names(whole.path)).filter(isRecord)) {
      const where = join(whole.path, file);
      const record = await this.#read(whole.id, where);
      if (record instanceof StillpointError) continue;
      all.push(await openVerification(record, whole.stored, this.#cipher, where));
    }
    return all;
  }

  async add(whole: Whole, verification: Verification): Promise<void> {
    const newest = (await this.#disk.names(whole.path)).findLast(isRecord);
    const file = recordName(verification.at, newest);
    const document = await storedVerification(whole.stored, verification, this.#cipher);
    await this.#disk.write(join(whole.path, file), [Buffer.from(seal(document))]);
  }

  async pin({ id, path }: Entry, pinned: boolean): Promise<void> {
    if ((await this.isPinned(path)) === pinned) return;
    const file = join(path, PIN);
    if (pinned) await this.#disk.write(file, [Buffer.from(seal({ format: FORMAT, id, at: now() }))]);
    else await this.#disk.removeFile(file);
  }

  async isPinned(path: string): Promise<boolean> {
    return (await this.#disk.names(path)).includes(PIN);
  }

  async #read(id: BackupId, where: string): Promise<StoredVerification | StillpointError> {
    try {
      const stored = unseal((await this.#disk.text(where)) ?? '', where) as unknown as StoredVerification;
      return stored.id === id ? stored : damaged(where, `it is a verification of ${stored.id}`);
    } catch (thrown) {
      return damageOf(thrown);
    }
  }
}

/** Sorts after `newest` even where the clock was set back: the last word on a backup must be the last that was said. */
export function recordName(at: Instant, newest: string | undefined): string {
  const [, date, time] = /^verification-(\d{8})T(\d{9})Z-/.exec(newest ?? '') ?? [];
  const last = date && time ? Date.parse(`${dashed(date)}T${colons(time)}Z`) : Number.NEGATIVE_INFINITY;
  const stamp = new Date(Math.max(Date.parse(at), last + 1)).toISOString().replaceAll(/[-:.]/g, '');
  return `verification-${stamp}-${randomBytes(3).toString('hex')}.json`;
}

const dashed = (date: string): string => date.replace(/(....)(..)(..)/, '$1-$2-$3');
const colons = (time: string): string => time.replace(/(..)(..)(..)(...)/, '$1:$2:$3.$4');
