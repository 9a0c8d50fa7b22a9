import { createHash } from 'node:crypto';

/** Counts and hashes the bytes that pass through it. */
export class Meter {
  bytes = 0;
  readonly #hash = createHash('sha256');

  async *through<B extends Uint8Array>(source: AsyncIterable<B>): AsyncGenerator<B> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      this.bytes += chunk.length;
      yield chunk;
    }
  }

  /** Call once, at the end. */
  sha256(): string {
    return this.#hash.digest('hex');
  }
}
