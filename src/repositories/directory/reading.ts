import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Artifact, Damage, Manifest } from '../../model/manifest.ts';
import type { Cipher } from '../codec/cipher.ts';
import { Meter } from '../codec/meter.ts';
import { decompress } from '../codec/zstd.ts';
import { damaged } from '../document.ts';
import type { StoredFile } from '../repository.ts';
import { artifactsOf } from '../stored-manifest.ts';
import { errnoOf } from './disk.ts';

const CHUNK = 1024 * 1024;
/** What is unpacked is read in smaller pieces: a frame is put together of them, and the copies of large ones add up. */
const PIECE = 256 * 1024;

export const storedBytes = (path: string, start = 0): Readable =>
  createReadStream(path, { highWaterMark: CHUNK, start });

/** The plain bytes of one artifact of the backup in `folder`. */
export function openArtifact(folder: string, manifest: Manifest, name: string, cipher: Cipher): Readable {
  const artifact = artifactsOf(manifest).find((one) => one.name === name);
  if (artifact === undefined) {
    throw new StillpointError('backup-not-found', `Backup ${manifest.id} has no artifact '${name}'.`, {
      next: `stillpoint show ${manifest.id}`,
    });
  }
  const bytes = plainBytes(join(folder, artifact.file), artifact, cipher);
  return Readable.from(bytes, { objectMode: false, highWaterMark: PIECE });
}

async function* plainBytes(path: string, artifact: Artifact, cipher: Cipher): AsyncGenerator<Buffer> {
  const read = new Meter();
  const stored = createReadStream(path, { highWaterMark: PIECE });
  try {
    yield* read.through(decompress(artifact.file.endsWith('.age') ? cipher.decrypt(stored) : stored));
  } catch (error) {
    // Also where the key does not fit: the manifest of the same run was opened with it, so this file is not as written.
    throw damaged(path, reasonOf(error), error);
  }
  if (read.bytes !== artifact.plainBytes) {
    throw damaged(path, `it gives ${read.bytes} plain bytes, ${artifact.plainBytes} were stored`);
  }
  if (read.sha256() !== artifact.plainSha256) throw damaged(path, 'its plain bytes do not match their SHA-256');
}

/** Compares one stored file with what the manifest says of it; undefined when it is the same. */
export async function checkFile(
  folder: string,
  expected: StoredFile,
  signal: AbortSignal,
): Promise<Damage | undefined> {
  const { file } = expected;
  const read = new Meter();
  try {
    for await (const _ of read.through(storedBytes(join(folder, file)))) signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    return { file, text: reasonOf(error) };
  }
  if (read.bytes !== expected.storedBytes) {
    return { file, text: `has ${read.bytes} bytes, ${expected.storedBytes} were stored` };
  }
  return read.sha256() === expected.storedSha256
    ? undefined
    : { file, text: 'has other bytes than were stored: its SHA-256 differs' };
}

/** Why a stored file cannot be read, in words. */
export const reasonOf = (error: unknown): string => (errnoOf(error) === 'ENOENT' ? 'it is missing' : messageOf(error));
