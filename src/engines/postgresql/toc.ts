import { StillpointError } from '../../model/errors.ts';

/**
 * The table of contents of an uncompressed `pg_dump -Fc`, read piece by piece as its bytes arrive; each piece says how
 * long the next one is. Format: src/bin/pg_dump/pg_backup_archiver.c (ReadHead, ReadToc).
 */

/** One object of the archive. */
export interface Entry {
  readonly id: number;
  readonly hasData: boolean;
  /** As pg_restore --list prints it: `TABLE`, `TABLE DATA`, `FK CONSTRAINT`. */
  readonly kind: string;
  /** Empty where it lies in none. */
  readonly schema: string;
  /** `orders`; of what belongs to a table `orders orders_pkey`. */
  readonly name: string;
  /** The SQL that makes it. */
  readonly definition: string;
  /** Numbers of the entries that it depends on; some are not in the archive. */
  readonly needs: readonly number[];
  /** As it stands in the archive. */
  readonly bytes: Buffer;
}

/** What the data section must be read with. */
export interface Head {
  /** Bytes of a number, without its sign byte. */
  readonly intSize: number;
  /** Everything before the number of entries, as it stands in the archive. */
  readonly before: Buffer;
}

const VERSION = { tableAccess: 14, algorithmByte: 15, relationKind: 16, newest: 16 };

/** Takes an archive apart as far as its table of contents goes. */
export class TocReader {
  readonly #pieces: Generator<number, Head, Buffer>;
  #held: Buffer = Buffer.alloc(0);
  #want: number;
  #head: Head | undefined;

  constructor(onEntry: (entry: Entry) => void) {
    this.#pieces = readPieces(onEntry);
    this.#want = this.#pieces.next().value as number;
  }

  /** Once it was read to its end. */
  get head(): Head | undefined {
    return this.#head;
  }

  /** The next bytes; what of them lies behind the table of contents, once that was read to its end. */
  see(chunk: Buffer): Buffer | undefined {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (this.#held.length - at >= this.#want) {
      const step = this.#pieces.next(this.#held.subarray(at, at + this.#want));
      at += this.#want;
      if (step.done) {
        this.#head = step.value;
        const rest = this.#held.subarray(at);
        this.#held = Buffer.alloc(0);
        return rest;
      }
      this.#want = step.value;
    }
    this.#held = this.#held.subarray(at);
    return undefined;
  }
}

/** Yields how many bytes it needs next and gets them. */
function* readPieces(onEntry: (entry: Entry) => void): Generator<number, Head, Buffer> {
  let seen: Buffer[] = [];
  function* take(size: number): Generator<number, Buffer, Buffer> {
    const piece = yield size;
    seen.push(piece);
    return piece;
  }
  const magic = yield* take(5);
  if (magic.toString('latin1') !== 'PGDMP') throw unreadable('it does not begin like one');
  const [major = 0, minor = 0, , intSize = 0, offsetSize = 0] = yield* take(6);
  if (major !== 1 || minor > VERSION.newest) throw unreadable(`its format is ${major}.${minor}`);
  function* int(): Generator<number, number, Buffer> {
    return toInt(yield* take(1 + intSize));
  }
  function* text(): Generator<number, string | undefined, Buffer> {
    const length = yield* int();
    if (length < 0) return undefined;
    return length === 0 ? '' : (yield* take(length)).toString('utf8');
  }
  function* skip(texts: number): Generator<number, void, Buffer> {
    for (let n = 0; n < texts; n++) yield* text();
  }

  const compression = minor >= VERSION.algorithmByte ? (yield* take(1))[0] : yield* int();
  if (compression !== 0) throw unreadable('it is compressed');
  // When it was made, as seven numbers; then the database, the server's version and pg_dump's.
  for (let n = 0; n < 7; n++) yield* int();
  yield* skip(3);
  const before = Buffer.concat(seen);
  const entries = yield* int();
  for (let n = 0; n < entries; n++) {
    seen = [];
    const id = yield* int();
    const hasData = (yield* int()) !== 0;
    // The catalog and the oid.
    yield* skip(2);
    const name = (yield* text()) ?? '';
    const kind = (yield* text()) ?? '';
    // The section.
    yield* int();
    const definition = (yield* text()) ?? '';
    // How to drop it and how to copy into it.
    yield* skip(2);
    const schema = (yield* text()) ?? '';
    // The tablespace, the access method.
    yield* skip(minor >= VERSION.tableAccess ? 2 : 1);
    if (minor >= VERSION.relationKind) yield* int();
    // The owner, and whether it has oids; then what it depends on.
    yield* skip(2);
    const needs: number[] = [];
    for (let need = yield* text(); need !== undefined; need = yield* text()) needs.push(Number(need));
    yield* take(1 + offsetSize);
    onEntry({ id, hasData, kind, schema, name, definition, needs, bytes: Buffer.concat(seen) });
  }
  return { intSize, before };
}

/** A sign byte, then the bytes from the least significant on. */
export function toInt(bytes: Buffer, at = 0, size = bytes.length): number {
  let value = 0;
  for (let n = at + size - 1; n > at; n--) value = value * 256 + (bytes[n] ?? 0);
  return bytes[at] === 0 ? value : -value;
}

/** The same back. */
export function fromInt(value: number, intSize: number): Buffer {
  const bytes = Buffer.alloc(1 + intSize);
  bytes.writeUIntLE(value, 1, intSize);
  return bytes;
}

export const unreadable = (why: string): StillpointError =>
  new StillpointError('backup-failed', `What pg_dump printed is not an archive that can be checked: ${why}.`);
