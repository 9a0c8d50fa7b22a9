import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import { StillpointError } from '../../model/errors.ts';
import { dockerError, statusOf } from './api.ts';

/** One entry of a container's files, as Docker's archive API gives it: also of a stopped one, and with no program in it. */
export interface Entry {
  readonly type: string;
  readonly uid: number;
  readonly gid: number;
  readonly linkname: string | undefined;
  readonly bytes: Buffer;
}

/** Larger ones are streamed, not read whole. */
const MOST = 64 << 20;

/** Reads one file, link or folder (without what is in it). Undefined when it does not exist. */
export async function entryOf(docker: Docker, id: string, path: string): Promise<Entry | undefined> {
  let tar: Readable;
  try {
    tar = Readable.from(await docker.getContainer(id).getArchive({ path }));
  } catch (cause) {
    if (statusOf(cause) === 404) return undefined;
    throw dockerError(cause, `${path} cannot be read in the container`);
  }
  const out = extract();
  tar.on('error', (cause) => out.destroy(cause)).pipe(out);
  for await (const entry of out) {
    const { type = 'file', uid = 0, gid = 0, linkname, size = 0 } = entry.header;
    if (size > MOST) throw new StillpointError('not-found', `${path} is too large to be read at once: ${size} bytes.`);
    const chunks: Buffer[] = [];
    if (type === 'file') for await (const chunk of entry) chunks.push(chunk as Buffer);
    // Of a folder the first entry is itself; nothing of the rest is wanted.
    tar.destroy();
    return { type, uid, gid, linkname: linkname ?? undefined, bytes: Buffer.concat(chunks) };
  }
  return undefined;
}

export async function exists(docker: Docker, id: string, path: string): Promise<boolean> {
  try {
    await docker.getContainer(id).infoArchive({ path });
    return true;
  } catch (cause) {
    if (statusOf(cause) === 404) return false;
    throw dockerError(cause, `${path} cannot be looked for in the container`);
  }
}
