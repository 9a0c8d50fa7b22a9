import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { contains } from '../mounts.ts';
import { dockerError, machineOf, statusOf } from './api.ts';

/** How paths of the daemon's machine and ours correspond. */
export interface Paths {
  /** This process runs in a container of that daemon. */
  readonly contained: boolean;
  /** A path of the daemon's machine as this process sees it; undefined where it cannot. */
  toHere(path: string): string | undefined;
  /** A path of ours as the daemon's machine calls it, to bind it into a container; undefined where there is no such. */
  toDaemon(path: string): string | undefined;
}

/** One Docker daemon, and where this process stands towards it. */
export interface Daemon {
  readonly docker: Docker;
  /** A folder of ours for what we make. */
  readonly scratch: string;
  /** Asked for when first needed. */
  paths(): Promise<Paths>;
}

export function daemonAt(docker: Docker, scratch: string): Daemon {
  let paths: Promise<Paths> | undefined;
  return {
    docker,
    scratch,
    paths: () => {
      paths ??= pathsOf(docker);
      return paths;
    },
  };
}

/** The same on the daemon's own machine; by our own mounts in a container of it; nowhere with a daemon far away. */
async function pathsOf(docker: Docker): Promise<Paths> {
  const mounts = await ownMounts(docker);
  if (mounts) {
    const through = (
      path: string,
      from: 'Source' | 'Destination',
      to: 'Source' | 'Destination',
    ): string | undefined => {
      const [mount] = mounts.filter((it) => contains(it[from], path)).sort((a, b) => b[from].length - a[from].length);
      return mount && join(mount[to], path.slice(mount[from].length));
    };
    return {
      contained: true,
      toHere: (path) => through(path, 'Source', 'Destination'),
      toDaemon: (path) => through(path, 'Destination', 'Source'),
    };
  }
  const same = (path: string): string | undefined => (machineOf(docker) === undefined ? path : undefined);
  return { contained: false, toHere: same, toDaemon: same };
}

/** The mounts of the container that this process runs in; undefined outside of this daemon's containers. */
async function ownMounts(
  docker: Docker,
): Promise<readonly { readonly Source: string; readonly Destination: string }[] | undefined> {
  // Docker binds the files that it manages into every container, from a folder that is named after it.
  const mountinfo = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const id = /\/containers\/([0-9a-f]{64})\/(?:hostname|hosts|resolv\.conf) /.exec(mountinfo)?.[1];
  if (id === undefined) return undefined;
  try {
    return (await docker.getContainer(id).inspect()).Mounts;
  } catch (cause) {
    if (statusOf(cause) === 404) return undefined;
    throw dockerError(cause, 'The container that this process runs in cannot be looked at');
  }
}
