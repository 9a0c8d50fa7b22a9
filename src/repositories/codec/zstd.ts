import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { inOrder } from './in-order.ts';
import { splitFrames } from './zstd-frames.ts';

/** Plain bytes of one frame. */
const BLOCK = 1024 * 1024;
/** Of the frames that were written up to November 2026. */
const LARGEST_BLOCK = 4 * 1024 * 1024;
/** zstd never makes a block of 4 MiB larger than this; what is, we did not write. */
const FRAME_LIMIT = LARGEST_BLOCK + 64 * 1024;
/** One block on each core and one that is being filled; bounded, so that memory is. */
const AT_ONCE = Math.min(availableParallelism(), 16) + 1;

const compressBlock = promisify(zstdCompress);
const decompressFrame = promisify(zstdDecompress);

/** Plain bytes to a zstd stream that `zstd -d` reads: independent frames, made side by side, written in order. */
export function compress(plain: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  // Blocks are used again: fresh ones cost an eighth of the time in page faults and collecting garbage.
  const used: Buffer[] = [];
  return inOrder(blocks(plain, used), AT_ONCE, async ({ block, filled }) => {
    // Most frames fit into one output chunk; each further one costs a round trip to the thread pool and a copy.
    const options = { chunkSize: BLOCK / 2, params: { [constants.ZSTD_c_checksumFlag]: 1 } };
    const frame = await compressBlock(block.subarray(0, filled), options);
    used.push(block);
    return frame;
  });
}

/** A zstd stream that `compress` wrote to its plain bytes. Throws where it is anything else. */
export const decompress = (stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> =>
  inOrder(splitFrames(stored, FRAME_LIMIT), AT_ONCE, (frame) =>
    decompressFrame(frame, { chunkSize: BLOCK, maxOutputLength: LARGEST_BLOCK }),
  );

/** At least one block, because an empty file is not a zstd stream. */
async function* blocks(
  plain: AsyncIterable<Uint8Array>,
  used: Buffer[],
): AsyncGenerator<{ readonly block: Buffer; readonly filled: number }> {
  const next = () => used.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
  let block = next();
  let filled = 0;
  let count = 0;
  for await (const chunk of plain) {
    for (let taken = 0; taken < chunk.length; ) {
      const part = chunk.subarray(taken, taken + BLOCK - filled);
      block.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled < BLOCK) continue;
      yield { block, filled };
      count += 1;
      block = next();
      filled = 0;
    }
  }
  if (filled > 0 || count === 0) yield { block, filled };
}
