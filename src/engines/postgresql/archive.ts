import { Blocks } from './blocks.ts';
import { TocReader } from './toc.ts';

/**
 * Follows the bytes of an uncompressed `pg_dump -Fc` and knows whether they are all there: every entry of the table of
 * contents that has data must have its block, closed. A stream that was cut short by something between pg_dump and us
 * looks exactly like a smaller database otherwise.
 */
export class Archive {
  readonly #withData = new Set<number>();
  readonly #toc = new TocReader(({ id, hasData }) => {
    if (hasData) this.#withData.add(id);
  });
  #blocks: Blocks | undefined;

  /** The next bytes of the stream. */
  see(chunk: Buffer): void {
    if (this.#blocks) return void this.#blocks.see(chunk);
    const rest = this.#toc.see(chunk);
    if (rest === undefined || !this.#toc.head) return;
    this.#blocks = new Blocks(this.#toc.head, this.#withData);
    this.#blocks.see(rest);
  }

  /** What is missing, in words; undefined when the archive is whole. */
  missing(): string | undefined {
    if (!this.#blocks) return 'it ends within its table of contents';
    return this.#blocks.missing();
  }
}
