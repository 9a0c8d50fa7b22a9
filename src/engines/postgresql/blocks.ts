import { type Head, toInt, unreadable } from './toc.ts';

/** Where in the data section the stream is: what the next bytes are. */
type State = 'block' | 'block id' | 'length' | 'bytes' | 'large object';

const TABLE = 1;
const LARGE_OBJECTS = 3;

/**
 * The data section of an archive: blocks of a kind and a number, each a row of pieces with their lengths, ended by a
 * length of zero. Format: pg_backup_custom.c (_StartData, _EndData, _StartBlobs).
 */
export class Blocks {
  readonly #size: number;
  readonly #missing: Set<number>;
  readonly #keep: (id: number) => boolean;
  #state: State = 'block';
  /** Bytes of the present piece that are still to come. */
  #left = 0;
  #kind = 0;
  #id = 0;
  #number: Buffer = Buffer.alloc(0);
  /** The first bytes of a block, until its number says whether it is wanted. */
  #opening: Buffer[] = [];
  #keeping = false;

  /** `withData`: numbers of the blocks that must be there; `keep`: of those that are wanted. */
  constructor({ intSize }: Head, withData: Iterable<number>, keep: (id: number) => boolean = () => true) {
    this.#size = 1 + intSize;
    this.#missing = new Set(withData);
    this.#keep = keep;
  }

  /** The next bytes of the section; those of them that belong to wanted blocks. */
  see(chunk: Buffer): readonly Buffer[] {
    const kept: Buffer[] = [];
    let at = 0;
    let from = 0;
    while (at < chunk.length) {
      if (this.#state === 'bytes') {
        const step = Math.min(this.#left, chunk.length - at);
        at += step;
        this.#left -= step;
        if (this.#left === 0) this.#state = 'length';
      } else if (this.#state === 'block') {
        if (this.#keeping) kept.push(chunk.subarray(from, at));
        this.#keeping = false;
        this.#opening = [chunk.subarray(at, at + 1)];
        this.#kind = chunk[at++] ?? 0;
        if (this.#kind !== TABLE && this.#kind !== LARGE_OBJECTS)
          throw unreadable(`a block has the kind ${this.#kind}`);
        this.#state = 'block id';
      } else {
        const isOpening = this.#state === 'block id';
        const end = Math.min(chunk.length, at + this.#size - this.#number.length);
        if (isOpening) this.#opening.push(chunk.subarray(at, end));
        let value: number;
        if (end - at === this.#size) value = toInt(chunk, at, this.#size);
        else {
          // It lies across two chunks.
          this.#number = Buffer.concat([this.#number, chunk.subarray(at, end)]);
          at = end;
          if (this.#number.length < this.#size) continue;
          value = toInt(this.#number);
          this.#number = NONE;
        }
        at = end;
        this.#take(value);
        if (!isOpening) continue;
        this.#keeping = this.#keep(this.#id);
        if (this.#keeping) kept.push(...this.#opening);
        from = at;
      }
    }
    if (this.#keeping) kept.push(chunk.subarray(from));
    return kept;
  }

  #take(value: number): void {
    if (this.#state === 'block id') {
      this.#id = value;
      this.#state = this.#kind === TABLE ? 'length' : 'large object';
    } else if (this.#state === 'large object') {
      if (value === 0) this.#close();
      else this.#state = 'length';
    } else if (value > 0) {
      this.#left = value;
      this.#state = 'bytes';
    } else if (this.#kind === TABLE) this.#close();
    else this.#state = 'large object';
  }

  #close(): void {
    this.#missing.delete(this.#id);
    this.#state = 'block';
  }

  missing(): string | undefined {
    if (this.#state !== 'block') return 'it ends within the rows of a table';
    if (this.#missing.size === 0) return undefined;
    return `the rows of ${this.#missing.size} of its tables are not in it`;
  }
}

const NONE = Buffer.alloc(0);
