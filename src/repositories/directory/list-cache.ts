import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { BackupLine } from '../../model/manifest.ts';

/**
 * What `list` shows of each backup of a job, so that it need not read ten thousand manifests again. Only a cache: a line
 * counts while the stamps of its files are as they were before it was read, and without this file all is read anew.
 */
export interface ListCache {
  /** Of the job's folder, which every act of Stillpoint changes. */
  readonly stamp: Stamp;
  readonly lines: readonly CachedLine[];
  /** False where some folder has no line: damaged, half made, or too young. */
  readonly complete: boolean;
}

export interface CachedLine {
  readonly folder: string;
  /** Of the manifest, of the folder, and of the newest verification. */
  readonly stamps: readonly Stamp[];
  readonly newest?: string;
  readonly line: BackupLine;
}

/** When a file last changed, which nobody can set. Zero where it is gone, or too young to tell a change from none. */
export type Stamp = number;

/** File systems tell times apart by up to two seconds: what changed so lately may change again unnoticed. */
const YOUNG = 2000;

const MAY_BE_GONE = { throwIfNoEntry: false } as const;

export function stampOf(path: string): Stamp {
  // Synchronous: ten thousand of these through the thread pool take four times as long.
  const changed = statSync(path, MAY_BE_GONE)?.ctimeMs ?? 0;
  return Date.now() - changed < YOUNG ? 0 : changed;
}

/** As it lies on disk: most backups of a job have the same sources, so each set of them is written once. */
interface Stored extends Omit<ListCache, 'lines'> {
  readonly sources: readonly BackupLine['sources'][];
  readonly lines: readonly (Omit<CachedLine, 'line'> & {
    readonly line: Omit<BackupLine, 'sources'> & { readonly sources: number };
  })[];
}

const FORMAT = 1;

/** Empty where it is not there, damaged, or of another format. */
export async function readListCache(path: string): Promise<ListCache> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const body = text.slice(65);
  if (text.slice(0, 64) !== digestOf(body)) return { stamp: 0, lines: [], complete: false };
  const { sources, ...stored }: Stored = JSON.parse(body);
  // In place: the objects are ours, and there may be ten thousand.
  for (const { line } of stored.lines) Object.assign(line, { sources: sources[line.sources] });
  return stored as unknown as ListCache;
}

/** Not synced: what a power cut leaves does not match its digest. Where nothing can be written there is no cache. */
export async function writeListCache(path: string, { lines, ...cache }: ListCache): Promise<void> {
  const sources = new Map<string, number>();
  const numbered = lines.map((one) => {
    const text = JSON.stringify(one.line.sources);
    const number = sources.get(text) ?? sources.size;
    sources.set(text, number);
    return { ...one, line: { ...one.line, sources: number } };
  });
  const each = [...sources.keys()].map((text) => JSON.parse(text));
  const stored: Stored = { ...cache, sources: each, lines: numbered };
  const body = JSON.stringify(stored);
  const partial = `${path}.${process.pid}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(partial, `${digestOf(body)}\n${body}`, { mode: 0o600 });
    await rename(partial, path);
  } catch {
    await Promise.allSettled([rm(partial, { force: true })]);
  }
}

const digestOf = (body: string): string => createHash('sha256').update(`${FORMAT} ${body}`).digest('hex');
