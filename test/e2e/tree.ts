import { cp, mkdtemp, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const LEFT_OUT = ['node_modules', '.git', '.cache', 'dist', 'coverage'];

/** A copy of the project as a clone of it would be, uncommitted work included. Dispose removes it. */
export interface Tree extends AsyncDisposable {
  readonly path: string;
}

/** In a new folder of mode 0700 below `parent`, like a home folder; given to `owner`. */
export async function copyTree(
  parent: string,
  how: { readonly installed: boolean; readonly owner?: number },
): Promise<Tree> {
  const home = await mkdtemp(join(parent, 'stillpoint-tree-'));
  const path = join(home, 'clone');
  const tree: Tree = { path, [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }) };
  try {
    const wanted = (file: string) => !LEFT_OUT.includes(relative(PROJECT, file)) && !file.endsWith('.tgz');
    await cp(PROJECT, path, { recursive: true, filter: wanted });
    // By cp, because fs.cp takes a minute for these 14,000 files.
    if (how.installed) await execa('cp', ['-a', join(PROJECT, 'node_modules'), path]);
    if (how.owner !== undefined) await execa('chown', ['-R', `${how.owner}:${how.owner}`, home]);
    return tree;
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}
