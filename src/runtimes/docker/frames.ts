import { type Duplex, Readable } from 'node:stream';

const HEADER = 8;
const STDERR = 2;

/**
 * Takes Docker's multiplexed stream apart: frames of an 8-byte header (which stream, three zeros, size) and a payload.
 * Returns stdout with back-pressure; dockerode's own demuxStream copies every frame and is half as fast. A stream that
 * ends inside a frame was cut and fails.
 */
export function demultiplex(socket: Duplex, onStderr: (chunk: Buffer) => void): Readable {
  let header = Buffer.alloc(0);
  let left = 0;
  let isError = false;
  const stdout = new Readable({
    highWaterMark: 1 << 20,
    read: () => void socket.resume(),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
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
      if (isError) onStderr(payload);
      else if (!stdout.push(payload)) socket.pause();
    }
  });
  socket.once('end', () => {
    if (left > 0 || header.length > 0) stdout.destroy(new Error('the stream from the container was cut'));
    else stdout.push(null);
  });
  socket.on('error', (cause) => stdout.destroy(cause));
  socket.once('close', () => {
    if (!stdout.readableEnded && !socket.readableEnded) stdout.destroy(new Error('the connection to Docker was lost'));
  });
  return stdout;
}
