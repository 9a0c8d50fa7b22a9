import { appendFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, type RunId } from '../../src/model/id.ts';
import type { Volume } from '../../src/model/storage.ts';
import { volumesOf } from '../../src/runtimes/mounts.ts';
import type { Snapshotter, StorageCut } from '../../src/snapshots/snapshotter.ts';

/** Storage that can be cut. */
export interface SnapshotterSubject extends AsyncDisposable {
  readonly snapshotter: Snapshotter;
  /** An empty folder of one unit. */
  readonly folder: string;
  /** A folder that it cannot cut. */
  readonly elsewhere: string;
  /** Names of every snapshot that there is, kept ones too. */
  snapshots(): Promise<readonly string[]>;
  remove(name: string): Promise<void>;
}

/** The duties of `Snapshotter` and `StorageCut`, whatever cuts. */
export function snapshotterConformance(title: string, make: () => Promise<SnapshotterSubject>): void {
  describe(title, () => {
    let subject: SnapshotterSubject;
    let one: Volume;
    let two: Volume;

    beforeAll(async () => {
      subject = await make();
      for (const name of ['one', 'two']) await mkdir(join(subject.folder, name));
      const [first, second] = await volumesOf(['one', 'two'].map((it) => join(subject.folder, it)));
      if (!first || !second) throw new Error('no volumes');
      [one, two] = [first, second];
    }, 120_000);
    afterAll(() => subject?.[Symbol.asyncDispose]());

    const cutOf = async (volumes: readonly Volume[], run: RunId): Promise<StorageCut> => {
      await using ready = await subject.snapshotter.ready(volumes, run);
      return await ready.cut();
    };
    const left = async (run: string): Promise<number> =>
      (await Array.fromAsync(subject.snapshotter.leftovers())).filter((it) => it.run === run).length;

    test('probing creates nothing, names the unit, and says why another place cannot be cut', async () => {
      const good = await subject.snapshotter.probe([one, two]);
      expect(good).toMatchObject({ snapshotter: subject.snapshotter.name, oneInstant: true, reasons: [] });
      expect(good.unit).toBe((await subject.snapshotter.probe([two])).unit);
      const volumes = await volumesOf([subject.elsewhere]);
      const bad = await subject.snapshotter.probe(volumes);
      expect(bad.oneInstant).toBe(false);
      expect(bad.reasons.length).toBeGreaterThan(0);
      expect((await subject.snapshotter.probe([one, ...volumes])).oneInstant).toBe(false);
      expect(await subject.snapshots()).toEqual([]);
    });

    test('a cut holds the files as they were, and dispose removes it', async () => {
      const path = join(one.path, 'file');
      await writeFile(path, 'before');
      await subject.snapshotter.settle([one, two]);
      await using ready = await subject.snapshotter.ready([one, two], newId());
      const began = performance.now();
      {
        await using cut = await ready.cut();
        expect(cut.at.start).toBeGreaterThanOrEqual(began);
        expect(cut.at.end).toBeLessThanOrEqual(performance.now());
        await appendFile(path, ' and after');
        await rm(join(two.path, 'file'), { force: true });
        const files = await cut.open(one);
        expect((await files.read('file')).toString()).toBe('before');
        expect(await text(files.tar())).toContain('before');
        expect(await files.names('.')).toEqual(['file']);
        expect(await subject.snapshots()).toHaveLength(1);
      }
      expect(await subject.snapshots()).toEqual([]);
    });

    test('all volumes are cut at one instant: no effect without its cause', async () => {
      const [cause, effect] = await Promise.all([one, two].map((it) => open(join(it.path, 'chain'), 'w')));
      if (!cause || !effect) throw new Error('not opened');
      const over = new AbortController();
      // An effect is written when its cause is durable, in the other folder.
      const writing = (async () => {
        for (let n = 1; !over.signal.aborted; n++) {
          for (const file of [cause, effect]) {
            await file.write(Buffer.from(String(n).padStart(8)), 0, 8, 0);
            await file.datasync();
          }
        }
      })();
      for (let tries = 0; tries < 10; tries++) {
        await using cut = await cutOf([one, two], newId());
        const [first = 0, second = 0] = await Promise.all(
          [one, two].map(async (it) => Number((await (await cut.open(it)).read('chain')).toString())),
        );
        expect(first - second).toBeGreaterThanOrEqual(0);
        expect(first - second).toBeLessThanOrEqual(1);
      }
      over.abort();
      await writing;
      await Promise.all([cause.close(), effect.close()]);
    });

    test('what a dead run left is found by its id; removing it twice is no error', async () => {
      const run = newId();
      await cutOf([one], run);
      await cutOf([one], run);
      expect(await left(run)).toBe(2);
      for await (const leftover of subject.snapshotter.leftovers()) {
        if (leftover.run !== run) continue;
        expect(leftover).toMatchObject({ kind: 'snapshot', holds: false });
        await leftover.remove();
        await leftover.remove();
      }
      expect(await left(run)).toBe(0);
      expect(await subject.snapshots()).toEqual([]);
    });

    test('what is kept stays, under the name that was told, and is nobody’s leftover', async () => {
      const run = newId();
      let names: readonly string[];
      {
        await using cut = await cutOf([one, two], run);
        names = cut.keptAs;
        await cut.keep();
      }
      expect(await left(run)).toBe(0);
      expect(await subject.snapshots()).toEqual(names);
      for (const name of names) await subject.remove(name);
      expect(await subject.snapshots()).toEqual([]);
    });

    test('another folder under the same path is not taken for the one that was cut', async () => {
      await using cut = await cutOf([one], newId());
      await rename(one.path, `${one.path}.old`);
      await mkdir(one.path);
      await expect(cut.open(one)).rejects.toMatchObject({ code: 'source-changed' });
      await rm(one.path, { recursive: true });
      await rename(`${one.path}.old`, one.path);
      expect(await (await cut.open(one)).names('.')).toEqual((await readdir(one.path)).sort());
    });

    test('a cut that fails leaves nothing', async () => {
      const gone = { ...one, path: `${one.path}/gone`, hostPath: `${one.hostPath}/gone` };
      await expect(cutOf([gone], newId())).rejects.toThrow();
      expect(await subject.snapshots()).toEqual([]);
    });
  });
}
