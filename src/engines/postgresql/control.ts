import { setTimeout as sleep } from 'node:timers/promises';
import { StillpointError } from '../../model/errors.ts';
import type { Files } from '../../runtimes/files.ts';
import { crc32c } from './crc32c.ts';

const ATTEMPTS = 50;

/**
 * Reads global/pg_control while the server may be writing it: a torn read fails its checksum and is read again, as
 * PostgreSQL's own get_controlfile() does.
 */
export async function readControl(files: Files): Promise<Buffer> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const bytes = await files.read('global/pg_control');
    if (checksumHolds(bytes)) return bytes;
    await sleep(10);
  }
  throw new StillpointError('source-changed', `global/pg_control failed its checksum ${ATTEMPTS} times in a row.`);
}

/**
 * The checksum is the last field of ControlFileData (src/include/catalog/pg_control.h); the fields before it have grown
 * from version to version, so it is looked for at each place where 12 to 18 have it. Zeros follow up to 8 KiB.
 */
export function checksumHolds(bytes: Buffer): boolean {
  for (let offset = 272; offset <= 320; offset += 4) {
    if (
      bytes.length >= offset + 4 &&
      bytes.readUInt32LE(offset) !== 0 &&
      crc32c(bytes.subarray(0, offset)) === bytes.readUInt32LE(offset)
    )
      return true;
  }
  return false;
}
