import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Volume } from '../../model/storage.ts';
import { contains, type Mount, mountOf, mountsOf, volumesOf } from '../mounts.ts';
import type { Inspected } from './api.ts';
import type { Inside } from './inside.ts';
import type { View } from './view.ts';

/** Where paths of a container really lie. Of one that cannot be looked into: as far as its definition tells. */
export async function volumesIn(
  container: Inspected,
  view: View | undefined,
  inside: Inside | undefined,
  paths: readonly string[],
): Promise<readonly Volume[]> {
  if (paths.length === 0) return [];
  const mounts = view ? await mountsOf(view.pid) : await inside?.mounts();
  const reals = await Promise.all(paths.map(async (it) => (await (view ?? inside)?.real(it)) ?? it));
  const free = view
    ? await Promise.all(reals.map((it) => freeBytes(join(view.root, it))))
    : await inside?.freeBytes(reals);
  return Promise.all(
    paths.map(async (path, at) => {
      const real = reals[at] ?? path;
      const found = placeOf(container, real);
      const mount = mounts ? mountOf(mounts, real) : undefined;
      const kind = mount?.type === 'tmpfs' ? 'tmpfs' : found.kind;
      const hostPath =
        view && found.hostPath !== undefined && (await isSame(join(view.root, real), found.hostPath))
          ? found.hostPath
          : undefined;
      if (hostPath !== undefined && kind !== 'layer') {
        const [volume] = await volumesOf([hostPath]);
        if (volume) return { ...volume, path, kind };
      }
      return {
        path,
        ...(hostPath === undefined ? {} : { hostPath }),
        fileSystem: mount?.type ?? (kind === 'layer' ? container.Driver : '?'),
        id: idOf(found, mount, container),
        kind,
        freeBytes: free?.[at] ?? 0,
      };
    }),
  );
}

interface Found {
  readonly kind: Volume['kind'];
  /** Volume name, or the bound folder. */
  readonly name: string;
  /** As the daemon's machine calls it. */
  readonly hostPath?: string;
}

/** The mount of the container's definition that holds the path; none: its own writable layer. */
export function placeOf(container: Inspected, real: string): Found {
  const mount = container.Mounts.filter((it) => contains(it.Destination, real)).sort(
    (a, b) => b.Destination.length - a.Destination.length,
  )[0];
  const tmpfs = Object.keys(container.HostConfig.Tmpfs ?? {}).find((it) => contains(it, real));
  if (tmpfs !== undefined && tmpfs.length >= (mount?.Destination.length ?? 0)) return { kind: 'tmpfs', name: tmpfs };
  if (!mount) {
    const merged = (container.GraphDriver?.Data as { MergedDir?: string } | undefined)?.MergedDir;
    return { kind: 'layer', name: container.Id, ...(merged === undefined ? {} : { hostPath: join(merged, real) }) };
  }
  const hostPath = join(mount.Source, real.slice(mount.Destination.length));
  if (mount.Type === 'volume') return { kind: 'volume', name: mount.Name ?? mount.Source, hostPath };
  return { kind: (mount.Type as string) === 'tmpfs' ? 'tmpfs' : 'bind', name: mount.Source, hostPath };
}

const idOf = (found: Found, mount: Mount | undefined, container: Inspected): string =>
  mount && found.kind !== 'layer'
    ? `${mount.source} ${mount.root}`
    : `${found.kind} ${found.name} of ${container.Id.slice(0, 12)}`;

/** One and the same folder, by device and inode: the daemon may call something by a path that is something else here. */
export async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((it) => stat(it).catch(() => undefined)));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
