import { buffer } from 'node:stream/consumers';
import { headerLength, type Keys, makeHeader, openHeader } from './age-header.ts';
import { decryptPayload, encryptPayload, NONCE } from './age-payload.ts';

/** Larger headers than this are not ours: it has room for hundreds of recipients. */
const HEADER_LIMIT = 1024 * 1024;

/** Plain bytes to an age file, which `age -d` reads. */
export async function* encrypt(plain: AsyncIterable<Buffer>, keys: Keys): AsyncGenerator<Buffer> {
  const { header, fileKey } = await makeHeader(keys);
  yield header;
  yield* encryptPayload(fileKey, plain);
}

/** An age file to its plain bytes. Throws `wrong-key`, or an Error that says how it is damaged. */
export async function* decrypt(stored: AsyncIterable<Buffer>, keys: Keys): AsyncGenerator<Buffer> {
  const chunks = stored[Symbol.asyncIterator]();
  try {
    let head: Buffer = Buffer.alloc(0);
    let length: number | undefined;
    for (; length === undefined || head.length < length + NONCE; length = headerLength(head)) {
      const next = await chunks.next();
      if (next.done === true) throw new Error('it ends inside the header of an age file');
      head = Buffer.concat([head, next.value]);
      if (length === undefined && head.length > HEADER_LIMIT) throw new Error('it is not an age file');
    }
    const fileKey = await openHeader(head.subarray(0, length), keys);
    const nonce = head.subarray(length, length + NONCE);
    yield* decryptPayload(fileKey, nonce, from(head.subarray(length + NONCE), chunks));
  } finally {
    await chunks.return?.();
  }
}

async function* from(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** A short text, as the armoured age file that `age -d` reads. */
export async function encryptText(text: string, keys: Keys): Promise<string> {
  const { armor } = await import('age-encryption');
  return armor.encode(await buffer(encrypt(only(Buffer.from(text)), keys)));
}

export async function decryptText(armoured: string, keys: Keys): Promise<string> {
  const { armor } = await import('age-encryption');
  return (await buffer(decrypt(only(Buffer.from(armor.decode(armoured))), keys))).toString('utf8');
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
