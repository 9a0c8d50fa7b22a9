import { join } from 'node:path';
import type { BackupLine } from '../../model/manifest.ts';
import { inOrder } from '../codec/in-order.ts';
import type { Damaged, Survey } from '../repository.ts';
import { type Catalog, type Entry, MANIFEST } from './catalog.ts';
import type { Disk } from './disk.ts';
import { type CachedLine, readListCache, stampOf, writeListCache } from './list-cache.ts';
import { isRecord, type Records } from './records.ts';

interface Where {
  readonly disk: Disk;
  readonly catalog: Catalog;
  readonly records: Records;
}

/** How many backups are read side by side. */
const AT_ONCE = 16;

/** Looks at every backup; what has not changed since the last time is taken from the cache. */
export async function survey(where: Where): Promise<Survey> {
  const backups: BackupLine[] = [];
  const damaged: Damaged[] = [];
  for (const job of await where.catalog.jobs()) {
    const found = await surveyJob(where, job);
    backups.push(...found.backups);
    damaged.push(...found.damaged);
  }
  return { backups: backups.sort(newestFirst), damaged };
}

const newestFirst = (a: BackupLine, b: BackupLine): number =>
  a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? 1 : -1;

async function surveyJob({ disk, catalog, records }: Where, job: string): Promise<Survey> {
  const cacheFile = join(disk.root, '.index', `${job}.json`);
  const cache = await readListCache(cacheFile);
  const folder = catalog.folderOf(job);
  const stamp = stampOf(folder);
  const untouched = stamp !== 0 && stamp === cache.stamp;
  const kept = cache.lines.filter((one) => isUnchanged(`${folder}/${one.folder}`, one, untouched));
  const unchanged = kept.length === cache.lines.length;
  if (untouched && unchanged && cache.complete) return { backups: kept.map(({ line }) => line), damaged: [] };

  const known = new Set(kept.map((one) => one.folder));
  const looked = inOrder(catalog.entriesOf(job), AT_ONCE, async (entry) =>
    known.has(entry.folder) ? undefined : look(disk, catalog, records, entry),
  );
  const found = (await Array.fromAsync(looked)).filter((one) => one !== undefined);
  const fresh = found.flatMap(({ cached }) => cached ?? []);
  if (fresh.length > 0 || !unchanged || (stamp !== 0 && !untouched)) {
    await writeListCache(cacheFile, { stamp, lines: [...kept, ...fresh], complete: fresh.length === found.length });
  }
  return {
    backups: [...kept.map(({ line }) => line), ...found.flatMap(({ line }) => line ?? [])],
    damaged: found.flatMap(({ bad }) => bad),
  };
}

/** In a job's folder that nobody touched, only what no act of Stillpoint does is looked for: a changed manifest. */
const isUnchanged = (path: string, { stamps, newest }: CachedLine, untouched: boolean): boolean =>
  stampOf(`${path}/${MANIFEST}`) === stamps[0] &&
  (untouched || (stampOf(path) === stamps[1] && (newest === undefined || stampOf(`${path}/${newest}`) === stamps[2])));

interface Found {
  readonly line?: BackupLine;
  readonly bad: readonly Damaged[];
  readonly cached?: CachedLine;
}

async function look(disk: Disk, catalog: Catalog, records: Records, entry: Entry): Promise<Found> {
  const { folder, path } = entry;
  const files = await disk.names(path);
  const newest = files.findLast(isRecord);
  // Before reading: what changes meanwhile is read again the next time.
  const stamps = [MANIFEST, '.', ...(newest === undefined ? [] : [newest])].map((name) => stampOf(join(path, name)));
  const { whole, error } = await catalog.judge(entry);
  if (error !== undefined) return { bad: [{ where: path, text: error.message }] };
  if (whole === undefined) return { bad: [] };
  const { beside, bad } = await records.survey(entry, files);
  const line = { ...whole.stored.line, ...beside };
  if (bad.length > 0 || stamps.includes(0)) return { line, bad };
  return { line, bad, cached: { folder, stamps, ...(newest === undefined ? {} : { newest }), line } };
}
