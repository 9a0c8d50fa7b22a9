import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import type { BackupLine, Verification } from '../../model/manifest.ts';
import { now } from '../../model/time.ts';
import type { Cipher } from '../codec/cipher.ts';
import { damaged, FORMAT, seal, unseal } from '../document.ts';
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

  /** What `list` shows of them. A damaged newest verification may have been a bad one: it counts as none. */
  async line({ id, path }: Entry): Promise<Pick<BackupLine, 'verification' | 'pinned'>> {
    const files = await this.#disk.names(path);
    const newest = files.findLast(isRecord);
    const record = newest === undefined ? undefined : await this.#read(id, join(path, newest));
    return {
      ...(record === undefined || record instanceof StillpointError
        ? {}
        : { verification: { at: record.at, good: record.good } }),
      ...(files.includes(PIN) ? { pinned: true } : {}),
    };
  }

  /** The whole ones, oldest first. */
  async verifications(whole: Whole): Promise<readonly Verification[]> {
    const all = [];
    for (const where of await this.#paths(whole)) {
      const record = await this.#read(whole.id, where);
      if (record instanceof StillpointError) continue;
      all.push(await openVerification(record, whole.stored, this.#cipher, where));
    }
    return all;
  }

  async *damaged(entry: Entry): AsyncGenerator<{ readonly where: string; readonly text: string }> {
    for (const where of await this.#paths(entry)) {
      const record = await this.#read(entry.id, where);
      if (record instanceof StillpointError) yield { where, text: record.message };
    }
  }

  async add(whole: Whole, verification: Verification): Promise<void> {
    const stamp = verification.at.replaceAll(/[-:.]/g, '');
    const file = `verification-${stamp}-${randomBytes(3).toString('hex')}.json`;
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

  async #paths({ path }: Entry): Promise<readonly string[]> {
    return (await this.#disk.names(path)).filter(isRecord).map((file) => join(path, file));
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
