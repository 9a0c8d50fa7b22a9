import type { CommandSettings } from './command-settings.ts';
import type { Snapshotter } from './snapshotter.ts';

/** Every way to cut storage, best first: what the user wrote down for a folder knows more of it than we do. */
export async function loadSnapshotters(
  commands: Readonly<Record<string, CommandSettings>> = {},
): Promise<readonly Snapshotter[]> {
  const { btrfsSnapshotter } = await import('./btrfs/index.ts');
  if (Object.keys(commands).length === 0) return [btrfsSnapshotter()];
  const { commandSnapshotter } = await import('./command/index.ts');
  return [...Object.entries(commands).map(([name, it]) => commandSnapshotter(name, it)), btrfsSnapshotter()];
}
