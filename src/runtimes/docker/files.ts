import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { Files } from '../files.ts';
import { treeOf } from '../tree.ts';
import type { Inspected } from './api.ts';
import type { Inside } from './inside.ts';
import type { Paths } from './self.ts';
import type { View } from './view.ts';
import { isSame, placeOf } from './volumes.ts';

/** The files below a folder of the container, by the shortest way this process has: by path, else by programs in it. */
export async function filesIn(
  container: Inspected,
  view: View | undefined,
  inside: Inside | undefined,
  paths: Paths,
  root: string,
): Promise<Files> {
  const own = view ? await ownPath(container, view, root) : await mountedHere(container, inside, paths, root);
  if (own !== undefined) return view ? inView(view, root, treeOf(own)) : treeOf(own);
  if (inside) return inside.files(root);
  throw new StillpointError(
    'not-found',
    container.State.Running
      ? `this process may not look into ${container.Name.slice(1)}, and its image has no shell`
      : `${container.Name.slice(1)} does not run (${container.State.Status})`,
    { next: 'Run as root on the machine of the container (in a container: with --pid host).' },
  );
}

/** By the volume's path where that is the same folder, because it stays when the container stops; else by the container's view. */
async function ownPath(container: Inspected, view: View, root: string): Promise<string | undefined> {
  const real = await view.real(root);
  const seen = join(view.root, real);
  const { hostPath } = placeOf(container, real);
  const path = hostPath !== undefined && (await isSame(seen, hostPath)) ? hostPath : seen;
  return (await isReadable(path)) ? path : undefined;
}

/** A volume that is mounted into the container that we run in ourselves. Only there a path of the daemon's is known to be the same. */
async function mountedHere(
  container: Inspected,
  inside: Inside | undefined,
  paths: Paths,
  root: string,
): Promise<string | undefined> {
  if (!paths.contained) return undefined;
  const { hostPath } = placeOf(container, (await inside?.real(root)) ?? root);
  const here = hostPath === undefined ? undefined : paths.toHere(hostPath);
  return here !== undefined && (await isReadable(here)) ? here : undefined;
}

const isReadable = (path: string): Promise<boolean> =>
  access(path, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );

/** A link in the tree leads somewhere in the container, not on this machine. */
const inView = (view: View, root: string, tree: Files): Files => ({
  ...tree,
  read: async (path) => treeOf(await view.here(join(root, path))).read(''),
  names: async (path) => treeOf(await view.here(join(root, path))).names(''),
});
