import { mkdir, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { describe } from 'vitest';
import { btrfsSnapshotter } from '../../src/snapshots/btrfs/index.ts';
import { commandSnapshotter } from '../../src/snapshots/command/index.ts';
import { btrfs, canMount } from '../environment/disks.ts';
import { makeFolder } from '../support/cli.ts';
import { type SnapshotterSubject, snapshotterConformance } from './snapshotter.ts';

const noDisk = await canMount('btrfs');

/** Data in a subvolume of its own, or at the very top of the file system. */
async function subvolume(name: string): Promise<SnapshotterSubject> {
  const stack = new AsyncDisposableStack();
  const other = stack.use(await makeFolder());
  const disk = stack.use(await btrfs({ sizeMiB: 512 }));
  const top = join(disk.path, name);
  if (name !== '') await execa('btrfs', ['subvolume', 'create', top]);
  const folder = join(top, 'data');
  await mkdir(folder);
  const place = join(disk.path, '.stillpoint');
  return {
    snapshotter: btrfsSnapshotter(),
    folder,
    elsewhere: other.path,
    snapshots: async () => (await readdir(place).catch(() => [])).map((it) => join(place, it)),
    async remove(path) {
      await execa('btrfs', ['subvolume', 'delete', join(place, basename(path))]);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** By programs of the configuration: a btrfs script, in a folder whose name would be trouble for any shell. */
async function script(mounted: boolean): Promise<SnapshotterSubject> {
  const stack = new AsyncDisposableStack();
  const other = stack.use(await makeFolder());
  const disk = stack.use(await btrfs({ sizeMiB: 512 }));
  const covers = join(disk.path, 'pg $(id) "quoted" it\'s');
  await execa('btrfs', ['subvolume', 'create', covers]);
  const place = join(disk.path, 'snapshots');
  const folder = join(covers, 'data');
  for (const it of [place, folder]) await mkdir(it);
  const [one, kept] = [join(place, '{name}'), join(place, '{kept}')];
  const seen = {
    files: join(other.path, 'seen', '{name}'),
    open: ['mount', '--bind', one, '{files}'],
    close: ['umount', '{files}'],
  };
  return {
    snapshotter: commandSnapshotter('script', {
      covers,
      create: ['btrfs', 'subvolume', 'snapshot', '-r', '{covers}', one],
      find: ['ls', '-1', place],
      remove: ['btrfs', 'subvolume', 'delete', one],
      keep: ['mv', '--no-target-directory', one, kept],
      timeout: 30_000,
      ...(mounted ? seen : { files: one }),
    }),
    folder,
    elsewhere: other.path,
    snapshots: () => readdir(place),
    async remove(name) {
      await execa('btrfs', ['subvolume', 'delete', join(place, name)]);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe.skipIf(noDisk)(`DOCK-7: snapshotters${noDisk === undefined ? '' : ` (skipped: ${noDisk})`}`, () => {
  snapshotterConformance('btrfs, a subvolume', () => subvolume('pg'));
  snapshotterConformance('btrfs, the top of the file system', () => subvolume(''));
  snapshotterConformance('programs of the configuration', () => script(false));
  snapshotterConformance('programs of the configuration that mount and unmount', () => script(true));
});
