import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

/**
 * The payload of an age file: a nonce, then 64 KiB chunks, each sealed with ChaCha20-Poly1305 under its number and
 * whether it is the last (age-encryption.org/v1). Here because node:crypto is 14 times as fast as age-encryption's own.
 */

const ALGORITHM = 'chacha20-poly1305';
const CHUNK = 64 * 1024;
const TAG = 16;
export const NONCE = 16;

/** Plain bytes to a payload. */
export async function* encryptPayload(fileKey: Uint8Array, plain: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const nonce = randomBytes(NONCE);
  const key = payloadKey(fileKey, nonce);
  let number = 0;
  yield nonce;
  for await (const { chunks, last } of inChunks(plain, CHUNK)) {
    for (const chunk of chunks) {
      const cipher = createCipheriv(ALGORITHM, key, chunkNonce(number++, last), { authTagLength: TAG });
      // Stream ciphers keep nothing back, so final() gives no bytes; and gathering the pieces would cost a copy.
      yield cipher.update(chunk);
      cipher.final();
      yield cipher.getAuthTag();
    }
  }
}

/** A payload without its nonce to its plain bytes. Throws where one bit differs, or where it is cut at any byte. */
export async function* decryptPayload(
  fileKey: Uint8Array,
  nonce: Buffer,
  payload: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const key = payloadKey(fileKey, nonce);
  let number = 0;
  for await (const { chunks, last } of inChunks(payload, CHUNK + TAG)) {
    const opened = chunks.map((sealed) => open(key, chunkNonce(number++, last), sealed));
    if (last && number > 1 && opened[0]?.length === 0) throw new Error('the last chunk of the encrypted data is empty');
    yield Buffer.concat(opened);
  }
}

function open(key: KeyObject, nonce: Buffer, sealed: Buffer): Buffer {
  if (sealed.length < TAG) throw new Error('the encrypted data is cut short');
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG });
  decipher.setAuthTag(sealed.subarray(-TAG));
  const plain = decipher.update(sealed.subarray(0, -TAG));
  try {
    decipher.final();
  } catch (cause) {
    throw new Error('the encrypted data is not as it was written: a chunk does not match its seal', { cause });
  }
  return plain;
}

const payloadKey = (fileKey: Uint8Array, nonce: Buffer): KeyObject =>
  createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32)));

/** Eleven bytes of number and one that marks the last chunk. */
function chunkNonce(number: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(number, 5, 6);
  nonce.writeUInt8(last ? 1 : 0, 11);
  return nonce;
}

/** Cuts a stream into chunks, many at a time. The last group is one chunk: empty only where the stream is. */
async function* inChunks(
  source: AsyncIterable<Buffer>,
  size: number,
): AsyncGenerator<{ readonly chunks: readonly Buffer[]; readonly last: boolean }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of source) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    const chunks: Buffer[] = [];
    // A full chunk stays here until something follows it: it may be the last.
    for (; rest.length > size; rest = rest.subarray(size)) chunks.push(rest.subarray(0, size));
    if (chunks.length > 0) yield { chunks, last: false };
  }
  yield { chunks: [rest], last: true };
}
