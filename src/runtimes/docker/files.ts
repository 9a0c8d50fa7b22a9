import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { Files } from '../files.ts';
import { treeOf } from '../tree.ts';
import type { Inspected } from './api.ts';
import type { View } from './view.ts';
import { isSame, placeOf } from './volumes.ts';

/** The files below a folder of the container, by the shortest way this process has. */
export async function filesIn(container: Inspected, view: View | undefined, root: string): Promise<Files> {
  const own = view && (await ownPath(container, view, root));
  if (view && own !== undefined) return inView(view, root, treeOf(own));
  throw new StillpointError(
    'not-found',
    `The files in ${root} of ${container.Name.slice(1)} cannot be read from here: this process may not look into the container.`,
    { next: 'Run as root on the machine of the container.' },
  );
}

/** By the volume's path where that is the same folder, because it stays when the container stops; else by the container's view. */
async function ownPath(container: Inspected, view: View, root: string): Promise<string | undefined> {
  const real = await view.real(root);
  const seen = join(view.root, real);
  const { hostPath } = placeOf(container, real);
  const path = hostPath !== undefined && (await isSame(seen, hostPath)) ? hostPath : seen;
  const readable = await access(path, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  return readable ? path : undefined;
}

/** A link in the tree leads somewhere in the container, not on this machine. */
const inView = (view: View, root: string, tree: Files): Files => ({
  ...tree,
  read: async (path) => treeOf(await view.here(join(root, path))).read(''),
  names: async (path) => treeOf(await view.here(join(root, path))).names(''),
});
