import { chown, lchown, mkdir, open, readFile, symlink } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract as untar } from 'tar-stream';
import { StillpointError } from '../model/errors.ts';

/** Who shall own what is extracted; absent: whoever runs this. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Extracts a tar below `root`. Entries that would land outside it are refused: a backup is input, too. */
export async function extractTar(tar: Readable, root: string, owner: Owner | undefined): Promise<void> {
  await makeFolder(root, 0o700, owner);
  const out = untar();
  const work = (async () => {
    for await (const entry of out) {
      const { name, type, mode = 0o600, linkname } = entry.header;
      const path = inside(root, name);
      if (type === 'directory') {
        await makeFolder(path, mode, owner);
        entry.resume();
      } else if (type === 'symlink') {
        await symlink(linkname ?? '', path);
        if (owner) await lchown(path, owner.uid, owner.gid);
        entry.resume();
      } else if (type === 'file') {
        await makeFolder(dirname(path), 0o700, owner);
        const handle = await open(path, 'w', mode);
        try {
          for await (const chunk of entry) await handle.write(chunk as Buffer);
          if (owner) await handle.chown(owner.uid, owner.gid);
        } finally {
          await handle.close();
        }
      } else {
        throw new StillpointError(
          'restore-failed',
          `The archive has an entry of the kind '${type}' (${name}), which no database needs.`,
        );
      }
    }
  })();
  await Promise.all([pipeline(tar, out), work]);
}

/** Makes what is missing of a path; what exists is left as it is, but for its mode being set when the archive names it. */
async function makeFolder(path: string, mode: number, owner: Owner | undefined): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (first === undefined || !owner) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await chown(at, owner.uid, owner.gid);
}

function inside(root: string, name: string): string {
  const path = normalize(name);
  if (path.startsWith('/') || path === '..' || path.startsWith('../')) {
    throw new StillpointError('restore-failed', `The archive has an entry that leads out of the target: ${name}.`);
  }
  return join(root, path);
}

/** One small file of what was extracted; undefined when there is none. */
export async function fileIn(root: string, path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(inside(root, path));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw cause;
  }
}
