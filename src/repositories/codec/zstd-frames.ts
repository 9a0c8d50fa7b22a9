/**
 * Splits a zstd stream into its frames (RFC 8878), because the decompressor of Node 24 silently drops what follows the
 * first frame when a frame ends inside a chunk. Frames are independent, so they can also be decompressed side by side.
 */

const MAGIC = 0xfd2fb528;
/** The last four bits are free: 0x184D2A50 to 0x184D2A5F. */
const SKIPPABLE = 0x184d2a50;
/** Bytes of the dictionary id, by the lowest two bits of the frame's descriptor. */
const DICTIONARY_ID = [0, 1, 2, 4] as const;
/** Bytes of the content size, by the highest two; one where it would be none and the frame is a single segment. */
const CONTENT_SIZE = [0, 2, 4, 8] as const;

export const isSkippable = (frame: Buffer): boolean => isSkippableMagic(frame.readUInt32LE(0));

const isSkippableMagic = (magic: number): boolean => (magic & 0xfffffff0) >>> 0 === SKIPPABLE;

/** The length of the frame that `bytes` begins with, or undefined while too little of it is here to tell. */
export function frameLength(bytes: Buffer): number | undefined {
  if (bytes.length < 8) return undefined;
  const magic = bytes.readUInt32LE(0);
  if (isSkippableMagic(magic)) return 8 + bytes.readUInt32LE(4);
  if (magic !== MAGIC) throw new Error(`this is not a zstd frame: it begins with ${bytes.toString('hex', 0, 4)}`);

  const descriptor = bytes.readUInt8(4);
  const singleSegment = (descriptor & 0b10_0000) !== 0;
  const sizeFlag = (descriptor >> 6) as 0 | 1 | 2 | 3;
  const sizeBytes = sizeFlag === 0 && singleSegment ? 1 : CONTENT_SIZE[sizeFlag];
  let at = 5 + (singleSegment ? 0 : 1) + DICTIONARY_ID[(descriptor & 0b11) as 0 | 1 | 2 | 3] + sizeBytes;

  for (let last = false; !last; ) {
    if (bytes.length < at + 3) return undefined;
    const header = bytes.readUIntLE(at, 3);
    const type = (header >> 1) & 0b11;
    if (type === 3) throw new Error('this zstd frame has a block of a reserved type');
    last = (header & 1) === 1;
    // A block of type 1 is one byte, repeated.
    at += 3 + (type === 1 ? 1 : header >> 3);
  }
  return at + ((descriptor & 0b100) === 0 ? 0 : 4);
}

/** The frames of `stored`, one by one, skippable ones left out. Throws where it is no zstd, or ends inside a frame. */
export async function* splitFrames(stored: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stored) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let length = frameLength(rest); length !== undefined && length <= rest.length; length = frameLength(rest)) {
      const frame = rest.subarray(0, length);
      rest = rest.subarray(length);
      if (!isSkippable(frame)) yield frame;
    }
    if (rest.length > limit) throw new Error(`this zstd frame is larger than ${limit} bytes`);
  }
  if (rest.length > 0) throw new Error('this zstd stream ends inside a frame');
}
