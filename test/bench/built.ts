import { cp, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

const ROOT = join(import.meta.dirname, '../..');

/** The program as it is installed, built into `folder`: the path of bin/stillpoint.cjs. */
export async function build(folder: string): Promise<string> {
  await execa('npx', ['tsc', '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], { cwd: ROOT });
  await cp(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true });
  for (const name of ['package.json', 'recipes', 'node_modules']) await symlink(join(ROOT, name), join(folder, name));
  return join(folder, 'bin', 'stillpoint.cjs');
}
