import type { BackupLine } from '../../model/manifest.ts';
import type { Catalog } from './catalog.ts';
import type { Records } from './records.ts';

/** Whole backups, newest first. */
export async function* list(catalog: Catalog, records: Records): AsyncGenerator<BackupLine> {
  const lines: BackupLine[] = [];
  for await (const entry of catalog.entries()) {
    const { whole } = await catalog.judge(entry);
    if (whole !== undefined) lines.push({ ...whole.stored.line, ...(await records.line(entry)) });
  }
  yield* lines.sort(byTime).reverse();
}

const byTime = (a: BackupLine, b: BackupLine): number => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1);

/** Backups that cannot be read, and verifications of readable ones that cannot. */
export async function* listDamaged(
  catalog: Catalog,
  records: Records,
): AsyncGenerator<{ readonly where: string; readonly text: string }> {
  for await (const entry of catalog.entries()) {
    const { whole, error } = await catalog.judge(entry);
    if (error !== undefined) yield { where: entry.path, text: error.message };
    if (whole !== undefined) yield* records.damaged(whole);
  }
}
