import { Readable } from 'node:stream';
import type { TableName } from '../../model/part.ts';
import type { Contents } from '../transfer.ts';
import { Blocks } from './blocks.ts';
import { type Entry, fromInt, type Head, TocReader } from './toc.ts';

/** Which entries bring tables back, and which that belong to them stay behind because what they refer to is not there. */
export interface Choice {
  readonly ids: ReadonlySet<number>;
  readonly leftOut: readonly Entry[];
}

/** Entries that say how the rest is to be read. */
const ALWAYS = new Set(['ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'DATABASE']);
const RELATIONS = new Set(['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE']);
/** What belongs to a table when it depends on it; named `TABLE NAME` where the table's own name comes first. */
const OWNED = new Set([
  'TABLE DATA',
  'INDEX',
  'INDEX ATTACH',
  'TABLE ATTACH',
  'SEQUENCE',
  'ROW SECURITY',
  'STATISTICS',
]);
const NAMED = new Set(['DEFAULT', 'CONSTRAINT', 'CHECK CONSTRAINT', 'FK CONSTRAINT', 'TRIGGER', 'RULE', 'POLICY']);
/** What says more of anything that is restored. */
const ABOUT = new Set(['ACL', 'COMMENT', 'SECURITY LABEL', 'SEQUENCE SET', 'SEQUENCE OWNED BY', 'STATISTICS DATA']);

/**
 * The entries of these tables: rows, partitions, indexes, constraints, triggers, sequences, rights. What the tables need
 * and is not there comes along (schemas, types, functions); what only refers to something that is not there stays behind.
 */
export function choose(
  entries: readonly Entry[],
  wanted: readonly TableName[],
  isThere: (entry: Entry) => boolean,
): Choice {
  const byId = new Map(entries.map((it) => [it.id, it]));
  const needsOf = (it: Entry): readonly Entry[] => it.needs.flatMap((id) => byId.get(id) ?? []);
  const ids = new Set(entries.filter((it) => ALWAYS.has(it.kind)).map((it) => it.id));
  const always = new Set(ids);
  // A key of another table is there with its table.
  const isAt = (it: Entry): boolean =>
    isThere(it) || (NAMED.has(it.kind) && needsOf(it).some((need) => RELATIONS.has(need.kind) && isThere(need)));
  const take = (it: Entry): void => {
    if (ids.has(it.id)) return;
    ids.add(it.id);
    for (const need of needsOf(it)) if (!isAt(need)) take(need);
  };
  const isChosen = (it: Entry): boolean => ids.has(it.id) && !always.has(it.id);
  for (const { schema, table } of wanted)
    for (const it of entries) if (it.kind === 'TABLE' && it.schema === schema && it.name === table) take(it);

  const belonging = (): readonly Entry[] =>
    entries.filter((it) => !ids.has(it.id) && belongs(it, needsOf(it), isChosen));
  for (let before = 0; before !== ids.size; ) {
    before = ids.size;
    for (const it of belonging()) {
      const needs = needsOf(it);
      // The first is the partition, the second what it is a partition of.
      const [partition, whole] = it.kind === 'TABLE ATTACH' ? needs : [];
      if (partition && whole && isChosen(whole)) take(partition);
      if (needs.every((need) => ids.has(need.id) || isAt(need) || isUnderneath(need))) take(it);
    }
  }
  return { ids, leftOut: belonging() };
}

/** Whether it is a part of what was chosen, and not of another table that refers to it. */
function belongs(it: Entry, needs: readonly Entry[], isChosen: (it: Entry) => boolean): boolean {
  if (ABOUT.has(it.kind)) return needs.some(isChosen);
  if (OWNED.has(it.kind)) return needs.some((need) => RELATIONS.has(need.kind) && isChosen(need));
  if (!NAMED.has(it.kind)) return false;
  return needs.some(
    (need) =>
      isChosen(need) && need.schema === it.schema && it.name.startsWith(`${need.name} `) && RELATIONS.has(need.kind),
  );
}

/** Types, functions, schemas: what can come along. Other tables and what is theirs cannot. */
const isUnderneath = ({ kind }: Entry): boolean => !RELATIONS.has(kind) && !OWNED.has(kind) && !NAMED.has(kind);

/** The archive of a database as it is wanted, and what of it stays behind. */
export async function archiveOf(
  contents: Contents,
  database: string,
  isThere: (entry: Entry) => boolean = () => false,
): Promise<{ readonly archive: Readable; readonly leftOut: readonly Entry[] }> {
  const tables = contents.tables[database];
  if (tables === undefined) return { archive: await contents.archive(database), leftOut: [] };
  const { ids, leftOut } = choose(await readEntries(await contents.archive(database)), tables, isThere);
  return { archive: onlyEntries(await contents.archive(database), ids), leftOut };
}

/** For a person, with the SQL that adds it when what it refers to is there. */
export const leftOutNotes = (database: string, leftOut: readonly Entry[]): readonly string[] =>
  leftOut.map(({ kind, schema, name, definition }) => {
    const sql = definition.trim().replaceAll(/\s+/g, ' ');
    return `Left out in ${database}: ${kind} ${schema}.${name}, for what it refers to is not there.${sql === '' ? '' : ` To add it: ${sql}`}`;
  });

/** Reads the table of contents and gives the rest up. */
export async function readEntries(archive: Readable): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const toc = new TocReader((it) => entries.push(it));
  // Leaving the loop destroys the stream.
  for await (const chunk of archive) if (toc.see(chunk as Buffer) !== undefined) break;
  return entries;
}

/** The same archive with these entries only, and only their data. */
export function onlyEntries(archive: Readable, ids: ReadonlySet<number>): Readable {
  return Readable.from(filtered(archive, ids), { objectMode: false });
}

async function* filtered(archive: Readable, ids: ReadonlySet<number>): AsyncGenerator<Buffer> {
  const kept: Entry[] = [];
  const toc = new TocReader((it) => {
    if (ids.has(it.id)) kept.push(it);
  });
  let blocks: Blocks | undefined;
  for await (const chunk of archive) {
    const rest = blocks ? (chunk as Buffer) : toc.see(chunk as Buffer);
    if (!blocks && toc.head) {
      yield headOf(toc.head, kept);
      blocks = new Blocks(toc.head, [], (id) => ids.has(id));
    }
    if (blocks && rest) yield* blocks.see(rest);
  }
}

const headOf = ({ before, intSize }: Head, kept: readonly Entry[]): Buffer =>
  Buffer.concat([before, fromInt(kept.length, intSize), ...kept.map((it) => it.bytes)]);
