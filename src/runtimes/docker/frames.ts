import { type Duplex, Readable } from 'node:stream';

const HEADER = 8;
const STDERR = 2;

/**
 * Takes Docker's multiplexed stream apart: frames of an 8-byte header (which stream, three zeros, size) and a payload.
 * Returns stdout with back-pressure; dockerode's own demuxStream copies every frame and is half as fast. A stream that
 * ends inside a frame, or without its mark, was cut and fails. Docker may send what was written to stderr first behind a
 * lot of stdout: before `opened` is settled there is no back-pressure, or who waits for it there would wait for ever.
 */
export function demultiplex(
  socket: Duplex,
  onStderr: (chunk: Buffer) => void,
  { mark, opened }: { readonly mark?: string; readonly opened?: Promise<unknown> } = {},
): Readable {
  let header = Buffer.alloc(0);
  let left = 0;
  let isError = false;
  let opening = opened !== undefined;
  const isOpen = (): void => {
    opening = false;
  };
  opened?.then(isOpen, isOpen);
  const trailer = mark === undefined ? undefined : new Trailer(mark);
  const stdout = new Readable({
    highWaterMark: 1 << 20,
    read: () => void socket.resume(),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  // Whoever reads it hears of a fault; whoever does not hears of it by the process's end.
  stdout.on('error', () => undefined);
  const take = (payload: Buffer): void => {
    if (isError) onStderr(payload);
    else {
      const output = trailer ? trailer.take(payload) : payload;
      if (output.length > 0 && !stdout.push(output) && !opening) socket.pause();
    }
  };
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const need = HEADER - header.length;
        header = Buffer.concat([header, chunk.subarray(at, at + need)]);
        at += need;
        if (header.length < HEADER) return;
        isError = header[0] === STDERR;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const payload = chunk.subarray(at, at + left);
      at += payload.length;
      left -= payload.length;
      take(payload);
    }
  });
  socket.once('end', () => {
    const whole = left === 0 && header.length === 0 && trailer?.complete !== false;
    if (whole) stdout.push(null);
    else stdout.destroy(new Error('the stream from the container was cut'));
  });
  socket.on('error', (cause) => stdout.destroy(cause));
  socket.once('close', () => {
    if (!stdout.readableEnded && !socket.readableEnded) stdout.destroy(new Error('the connection to Docker was lost'));
  });
  return stdout;
}

/** Takes the end of an output off: a mark and a three-digit status. Holds back only what may be its beginning. */
class Trailer {
  readonly #mark: Buffer;
  #held: Buffer = Buffer.alloc(0);
  constructor(mark: string) {
    this.#mark = Buffer.from(mark);
  }

  take(chunk: Buffer): Buffer {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let keep = Math.min(this.#mark.length + DIGITS, all.length);
    while (keep > 0 && !this.#mayBegin(all.subarray(all.length - keep))) keep--;
    this.#held = all.subarray(all.length - keep);
    return all.subarray(0, all.length - keep);
  }

  get complete(): boolean {
    return this.#held.length === this.#mark.length + DIGITS;
  }

  #mayBegin(bytes: Buffer): boolean {
    const length = Math.min(bytes.length, this.#mark.length);
    return (
      bytes.subarray(0, length).equals(this.#mark.subarray(0, length)) &&
      bytes.subarray(length).every((it) => it >= ZERO && it < ZERO + 10)
    );
  }
}

const DIGITS = 3;
const ZERO = 0x30;
