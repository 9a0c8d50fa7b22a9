import { mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { newId } from '../../src/model/id.ts';
import { volumesOf } from '../../src/runtimes/mounts.ts';
import { btrfsSnapshotter } from '../../src/snapshots/btrfs/index.ts';
import { readUsage } from '../../src/snapshots/btrfs/space.ts';
import { waitToSnapshot } from '../../src/snapshots/btrfs/waiting.ts';
import { commandSnapshotter } from '../../src/snapshots/command/index.ts';
import type { StorageOffer } from '../../src/snapshots/snapshotter.ts';
import { btrfs, canMount, ext4, xfs } from '../environment/disks.ts';
import { isRunning, makeFolder } from '../support/cli.ts';
import { until } from '../support/containers.ts';

const noDisk = await canMount();
const probe = async (...paths: readonly string[]): Promise<StorageOffer> =>
  btrfsSnapshotter().probe(await volumesOf(paths));
const codes = ({ oneInstant, reasons }: StorageOffer): readonly string[] => {
  expect(oneInstant).toBe(reasons.length === 0);
  return reasons.map((it) => it.code);
};
const subvolume = async (path: string): Promise<string> => {
  await execa('btrfs', ['subvolume', 'create', path]);
  return path;
};

describe.skipIf(noDisk)(
  `DOCK-7: what can be cut at one instant${noDisk === undefined ? '' : ` (skipped: ${noDisk})`}`,
  () => {
    test('DOCK-7 folders of one subvolume can; of two cannot; nested subvolumes and mounts below are seen, beside are not in the way', async () => {
      await using disk = await btrfs({ sizeMiB: 512 });
      await using folder = await makeFolder();
      const [data, log] = [await subvolume(join(disk.path, 'data')), await subvolume(join(disk.path, 'log'))];
      const [one, two] = [join(data, 'one'), join(data, 'two')];
      for (const path of [one, two, folder.in('bound')]) await mkdir(path);
      expect(codes(await probe(one, two))).toEqual([]);
      expect(codes(await probe(data))).toEqual([]);
      expect((await probe(one)).unit).not.toBe((await probe(log)).unit);
      expect(codes(await probe(one, log))).toEqual(['several-subvolumes']);
      expect((await probe(one, log)).reasons[0]?.text).toContain(`${log} is on another subvolume than ${one}`);

      await subvolume(join(one, 'nested'));
      expect(codes(await probe(one))).toEqual(['nested-subvolume']);
      expect(codes(await probe(data))).toEqual(['nested-subvolume']);
      expect(codes(await probe(two))).toEqual([]);

      await execa('mount', ['-t', 'tmpfs', 'none', two]);
      expect(codes(await probe(data))).toEqual(['mount-below', 'nested-subvolume']);
      await execa('umount', [two]);

      // A folder that is bound to another place lies where it lies: its subvolume's top is not above it there.
      await execa('mount', ['--bind', two, folder.in('bound')]);
      expect(codes(await probe(folder.in('bound')))).toEqual(['part-of-subvolume']);
      await execa('umount', [folder.in('bound')]);
    });

    test('CUT-5 what waits for the name of a snapshot makes it read-only, and makes none when it is let go or dies', async () => {
      await using disk = await btrfs({ sizeMiB: 512 });
      const top = await subvolume(join(disk.path, 'data'));
      const snapshots = async (): Promise<string[]> => (await readdir(disk.path)).filter((it) => it !== 'data');
      const made = join(disk.path, 'made, with a space');
      expect(await (await waitToSnapshot(top, disk.path)).run(made, 5_000)).toBe('');
      const { stdout } = await execa('btrfs', ['property', 'get', made, 'ro']);
      expect(stdout).toBe('ro=true');
      await expect((await waitToSnapshot(top, disk.path)).run(made, 5_000)).rejects.toMatchObject({
        code: 'backup-failed',
        message: expect.stringMatching(/^btrfs subvolume snapshot -r .* failed: made, with a space: File exists/),
      });
      (await waitToSnapshot(top, disk.path))[Symbol.dispose]();
      await until(async () => !(await isRunning(disk.path)));
      expect(await snapshots()).toEqual([basename(made)]);
    });

    test('CUT-5 a waiting program that was killed does not cost the snapshot: another one makes it', async () => {
      await using disk = await btrfs({ sizeMiB: 512 });
      const volumes = await volumesOf([await subvolume(join(disk.path, 'data'))]);
      await using ready = await btrfsSnapshotter().ready(volumes, newId());
      await execa('pkill', ['-KILL', '-f', join(disk.path, '.stillpoint')]);
      await until(async () => !(await isRunning(disk.path)));
      await using cut = await ready.cut();
      expect(await readdir(join(disk.path, '.stillpoint'))).toHaveLength(1);
      expect(cut.at.millis).toBeGreaterThan(0);
    });

    test('DOCK-7 a folder bound within its own file system is found where it lies', async () => {
      await using disk = await btrfs({ sizeMiB: 512 });
      for (const name of ['far', 'far/away', 'near']) await mkdir(join(disk.path, name));
      await execa('mount', ['--bind', join(disk.path, 'far/away'), join(disk.path, 'near')]);
      await execa('touch', [join(disk.path, 'far/away/file')]);
      try {
        const [volume] = await volumesOf([join(disk.path, 'near')]);
        if (!volume) throw new Error('no volume');
        await using ready = await btrfsSnapshotter().ready([volume], newId());
        await using cut = await ready.cut();
        expect(await (await cut.open(volume)).names('.')).toEqual(['file']);
      } finally {
        await execa('umount', [join(disk.path, 'near')]);
      }
    });

    test('DOCK-7 other file systems have no snapshots, and the reflink of XFS is called a fast copy', async () => {
      await using one = await xfs({ sizeMiB: 320, reflink: true });
      await using two = await ext4({ sizeMiB: 16 });
      expect((await probe(one.path)).reasons).toEqual([
        { code: 'no-snapshots', text: 'xfs has no snapshots; its reflink makes a fast copy, but not of one instant' },
      ]);
      expect((await probe(two.path)).reasons).toEqual([{ code: 'no-snapshots', text: 'ext4 has no snapshots' }]);
      const both = await probe(one.path, two.path);
      expect(codes(both)).toEqual(['no-snapshots']);
    });

    test('DOCK-7 where space is short production comes first: no snapshot is offered', async () => {
      await using disk = await btrfs({ sizeMiB: 300 });
      const offer = await probe(disk.path);
      expect(codes(offer)).toEqual(['space-low']);
      expect(offer.reasons[0]?.text).toMatch(/a snapshot pins space, and of the btrfs on \S+ only \d+ MB are free/);
      const { stdout } = await execa('btrfs', ['filesystem', 'usage', '--raw', disk.path]);
      for (const bytes of Object.values(readUsage(stdout))) expect(bytes).toBeGreaterThan(1_000_000);
    });

    test('DOCK-7 a program of the configuration that hangs is killed with all that it started, and leaves no snapshot', async () => {
      await using disk = await btrfs({ sizeMiB: 300 });
      const mark = `86400.${process.pid}`;
      const snapshotter = commandSnapshotter('hangs', {
        covers: disk.path,
        create: ['sh', '-c', 'mkdir "$1"; sleep "$2" & sleep "$2"', 'sh', join(disk.path, '{name}'), mark],
        find: ['ls', '-1', disk.path],
        remove: ['rmdir', join(disk.path, '{name}')],
        keep: ['false'],
        files: join(disk.path, '{name}'),
        timeout: 500,
      });
      const began = performance.now();
      await using ready = await snapshotter.ready(await volumesOf([disk.path]), newId());
      await expect(ready.cut()).rejects.toMatchObject({
        code: 'backup-failed',
        message: expect.stringContaining('had not ended after 500 ms and was killed'),
      });
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(await Array.fromAsync(snapshotter.leftovers())).toEqual([]);
      expect((await execa('pgrep', ['-f', `sleep ${mark}`], { reject: false })).stdout).toBe('');
    });
  },
);
