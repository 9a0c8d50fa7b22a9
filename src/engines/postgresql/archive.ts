import { StillpointError } from '../../model/errors.ts';

/**
 * Follows the bytes of an uncompressed `pg_dump -Fc` and knows whether they are all there: every entry of the table of
 * contents that has data must have its block, closed. A stream that was cut short by something between pg_dump and us
 * looks exactly like a smaller database otherwise. Format: src/bin/pg_dump/pg_backup_archiver.c (ReadHead, ReadToc) and
 * pg_backup_custom.c (_StartData, _EndData, _StartBlobs).
 */
export class Archive {
  readonly #contents = readContents();
  #held: Buffer = Buffer.alloc(0);
  #want = 0;
  #data: Data | undefined;

  constructor() {
    this.#want = this.#contents.next().value as number;
  }

  /** The next bytes of the stream. */
  see(chunk: Buffer): void {
    if (this.#data) {
      this.#data.see(chunk);
      return;
    }
    // The table of contents is read piece by piece; each piece says how long the next one is.
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (this.#held.length - at >= this.#want) {
      const step = this.#contents.next(this.#held.subarray(at, at + this.#want));
      at += this.#want;
      if (step.done) {
        this.#data = new Data(step.value);
        this.#data.see(this.#held.subarray(at));
        this.#held = Buffer.alloc(0);
        return;
      }
      this.#want = step.value;
    }
    this.#held = this.#held.subarray(at);
  }

  /** What is missing, in words; undefined when the archive is whole. */
  missing(): string | undefined {
    if (!this.#data) return 'it ends within its table of contents';
    return this.#data.missing();
  }
}

interface Contents {
  /** Bytes of a number, without its sign byte. */
  readonly intSize: number;
  /** Numbers of the entries that have data. */
  readonly withData: ReadonlySet<number>;
}

const VERSION = { tableAccess: 14, algorithmByte: 15, relationKind: 16, newest: 16 };

/** Yields how many bytes it needs next and gets them; returns what the data section must hold. */
function* readContents(): Generator<number, Contents, Buffer> {
  const magic = yield 5;
  if (magic.toString('latin1') !== 'PGDMP') throw unreadable('it does not begin like one');
  const head = yield 6;
  const [major = 0, minor = 0, , intSize = 0, offsetSize = 0] = head;
  if (major !== 1 || minor > VERSION.newest) throw unreadable(`its format is ${major}.${minor}`);
  function* int(): Generator<number, number, Buffer> {
    return toInt(yield 1 + intSize);
  }
  function* text(): Generator<number, string | undefined, Buffer> {
    const length = yield* int();
    if (length < 0) return undefined;
    return length === 0 ? '' : (yield length).toString('utf8');
  }
  function* skip(texts: number): Generator<number, void, Buffer> {
    for (let n = 0; n < texts; n++) yield* text();
  }

  const compression = minor >= VERSION.algorithmByte ? (yield 1)[0] : yield* int();
  if (compression !== 0) throw unreadable('it is compressed');
  // When it was made, as seven numbers; then the database, the server's version and pg_dump's.
  for (let n = 0; n < 7; n++) yield* int();
  yield* skip(3);
  const withData = new Set<number>();
  const entries = yield* int();
  for (let n = 0; n < entries; n++) {
    const id = yield* int();
    if ((yield* int()) !== 0) withData.add(id);
    // The catalog, the oid, the name and the kind; the section; then definition, drop, copy, schema, tablespace.
    yield* skip(4);
    yield* int();
    yield* skip(minor >= VERSION.tableAccess ? 6 : 5);
    if (minor >= VERSION.relationKind) yield* int();
    // The owner, and whether it has oids; then what it depends on.
    yield* skip(2);
    while ((yield* text()) !== undefined) {}
    yield 1 + offsetSize;
  }
  return { intSize, withData };
}

/** A sign byte, then the bytes from the least significant on. */
function toInt(bytes: Buffer): number {
  let value = 0;
  for (let at = bytes.length - 1; at > 0; at--) value = value * 256 + (bytes[at] ?? 0);
  return bytes[0] === 0 ? value : -value;
}

const unreadable = (why: string): StillpointError =>
  new StillpointError('backup-failed', `What pg_dump printed is not an archive that can be checked: ${why}.`);

/** Where in the data section the stream is: what the next bytes are. */
type State = 'block' | 'block id' | 'length' | 'bytes' | 'large object';

const TABLE = 1;
const LARGE_OBJECTS = 3;

/** The data section: blocks of a kind and a number, each a row of pieces with their lengths, ended by a length of zero. */
class Data {
  readonly #size: number;
  readonly #missing: Set<number>;
  #state: State = 'block';
  /** Bytes of the present piece that are still to come. */
  #left = 0;
  #kind = 0;
  #id = 0;
  #number: Buffer = Buffer.alloc(0);

  constructor({ intSize, withData }: Contents) {
    this.#size = 1 + intSize;
    this.#missing = new Set(withData);
  }

  see(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'bytes') {
        const step = Math.min(this.#left, chunk.length - at);
        at += step;
        this.#left -= step;
        if (this.#left === 0) this.#state = 'length';
      } else if (this.#state === 'block') {
        this.#kind = chunk[at++] ?? 0;
        if (this.#kind !== TABLE && this.#kind !== LARGE_OBJECTS)
          throw unreadable(`a block has the kind ${this.#kind}`);
        this.#state = 'block id';
      } else if (this.#number.length === 0 && chunk.length - at >= this.#size) {
        this.#take(toIntAt(chunk, at, this.#size));
        at += this.#size;
      } else {
        // A number that lies across two chunks.
        const piece = chunk.subarray(at, at + this.#size - this.#number.length);
        at += piece.length;
        this.#number = Buffer.concat([this.#number, piece]);
        if (this.#number.length < this.#size) continue;
        const value = toInt(this.#number);
        this.#number = Buffer.alloc(0);
        this.#take(value);
      }
    }
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

function toIntAt(bytes: Buffer, at: number, size: number): number {
  let value = 0;
  for (let n = at + size - 1; n > at; n--) value = value * 256 + (bytes[n] ?? 0);
  return bytes[at] === 0 ? value : -value;
}
