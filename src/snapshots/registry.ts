import type { Snapshotter } from './snapshotter.ts';

/** Every way to cut storage, best first. */
export async function loadSnapshotters(): Promise<readonly Snapshotter[]> {
  return [(await import('./btrfs/index.ts')).btrfsSnapshotter()];
}
