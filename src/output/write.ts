import { writeSync } from 'node:fs';

/** Writes text to a descriptor before it returns. A reader that has gone away is not an error of ours. */
export type Write = (text: string) => void;

const nap = new Int32Array(new SharedArrayBuffer(4));

/**
 * Synchronous on purpose: an event is on its way before the step it announces begins, whatever kills us next. A full pipe
 * (EAGAIN) is waited for; a closed one (EPIPE) must not end a backup.
 */
export function writerTo(descriptor: number): Write {
  let open = true;
  return (text) => {
    let rest: Uint8Array = Buffer.from(text);
    while (open && rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(descriptor, rest));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EAGAIN') Atomics.wait(nap, 0, 0, 5);
        else if (code === 'EPIPE') open = false;
        else throw error;
      }
    }
  };
}
