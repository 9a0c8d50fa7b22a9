import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { expect, test } from 'vitest';
import { compress, decompress } from '../../../src/repositories/codec/zstd.ts';
import { frameLength, splitFrames } from '../../../src/repositories/codec/zstd-frames.ts';
import { has } from '../../conformance/programs.ts';

const text = (size: number): Buffer =>
  Buffer.from('2026-11-21\tpending\t4711\n'.repeat(size / 24 + 1)).subarray(0, size);
const zstd = (args: readonly string[], input: Buffer): Buffer =>
  execFileSync('zstd', ['-q', '-c', ...args], { input, maxBuffer: 1 << 28 });
const gather = async (chunks: AsyncIterable<Buffer>): Promise<Buffer> => buffer(Readable.from(chunks));
const inChunks = (bytes: Buffer, size: number): AsyncIterable<Buffer> =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
  );

const compressFrame = promisify(zstdCompress);
const testWithZstd = test.skipIf(!has('zstd'));

/** What the program can put in front of and into a frame: content size or none, checksum or none, long windows. */
const FLAGS = [[], ['--no-check'], ['--check'], ['-19'], ['--no-content-size'], ['--long=27']];
const INPUTS = { empty: Buffer.alloc(0), 'one byte': Buffer.from('x'), zeros: Buffer.alloc(300_000), text: text(1e6) };

for (const [name, input] of Object.entries(INPUTS)) {
  testWithZstd(`START-6 zstd -d reads what we write: ${name}`, async () => {
    expect(zstd(['-d'], await gather(compress(inChunks(input, 70_000)))).equals(input)).toBe(true);
  });

  for (const flags of FLAGS) {
    testWithZstd(`START-6 we read what zstd ${flags.join(' ')} writes, in chunks of any size: ${name}`, async () => {
      const frames = Buffer.concat([zstd(flags, input), zstd(['-1', ...flags], input), zstd([], Buffer.from('end'))]);
      const expected = Buffer.concat([input, input, Buffer.from('end')]);
      for (const size of [1, 3, 1000, frames.length]) {
        expect((await gather(decompress(inChunks(frames, size)))).equals(expected)).toBe(true);
      }
    });
  }
}

testWithZstd('START-6 random and mixed data over many frames comes back, and zstd -t accepts it', async () => {
  const input = Buffer.concat([randomBytes(5_000_000), text(9_000_000), Buffer.alloc(4 * 1024 ** 2)]);
  const stored = await gather(compress(inChunks(input, 65_536)));
  expect(zstd(['-t'], stored).length).toBe(0);
  const frames = await Array.fromAsync(splitFrames(inChunks(stored, 65_536), 1e7));
  expect(frames).toHaveLength(Math.ceil(input.length / 1024 ** 2));
  expect((await gather(decompress(inChunks(stored, 65_536)))).equals(input)).toBe(true);
});

test('STORE-7 frames of 4 MiB, as they were written first, are read', async () => {
  const input = Buffer.concat([randomBytes(4 * 1024 ** 2), text(4 * 1024 ** 2)]);
  const frames = [input.subarray(0, 4 * 1024 ** 2), input.subarray(4 * 1024 ** 2)].map((it) => compressFrame(it));
  const stored = Buffer.concat(await Promise.all(frames));
  expect((await gather(decompress(inChunks(stored, 65_536)))).equals(input)).toBe(true);
});

test('START-6 skippable frames are passed over', async () => {
  const skippable = Buffer.concat([Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')]);
  const frame = await compressFrame(Buffer.from('rows'));
  const stored = Buffer.concat([skippable, frame, skippable, frame, skippable]);
  for (const size of [1, 7, stored.length]) {
    expect((await gather(decompress(inChunks(stored, size)))).toString()).toBe('rowsrows');
  }
});

test('START-6 a stream cut at any byte, or followed by anything, is an error and never a short success', async () => {
  const stored = await gather(compress(Readable.from([text(3000)])));
  for (let length = 1; length < stored.length; length += 1) {
    await expect(gather(decompress(Readable.from([stored.subarray(0, length)])))).rejects.toThrow('inside a frame');
  }
  const followed = Buffer.concat([stored, Buffer.from('more than eight bytes')]);
  await expect(gather(decompress(Readable.from([followed])))).rejects.toThrow('not a zstd frame');
});

testWithZstd(
  'START-6 a frame that would unpack to more than we write is refused, so memory stays bounded',
  async () => {
    const bomb = zstd([], Buffer.alloc(64 * 1024 ** 2));
    await expect(gather(decompress(Readable.from([bomb])))).rejects.toThrow();
  },
);

testWithZstd('START-6 the length of a frame is known only when its last block was seen', async () => {
  const frame = zstd([], text(500_000));
  expect(frameLength(frame)).toBe(frame.length);
  expect(frameLength(Buffer.concat([frame, frame]))).toBe(frame.length);
  expect(frameLength(frame.subarray(0, 7))).toBeUndefined();
});

test('START-6 a reader that stops early leaves no work behind, and its source is closed', async () => {
  let closed = false;
  const endless = (async function* () {
    try {
      for (;;) yield randomBytes(1_000_000);
    } finally {
      closed = true;
    }
  })();
  for await (const _ of compress(endless)) break;
  expect(closed).toBe(true);
});
