import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runner } from '../../hold/runner.ts';
import type { Leftover } from '../../model/leftover.ts';
import { idOfFolder } from '../names.ts';
import { type Catalog, MANIFEST } from './catalog.ts';
import { isStaging, STAGING } from './copying.ts';
import { type Disk, isPartial } from './disk.ts';
import { holders, type Lock, lock } from './lock.ts';

/** What dead runs left in a job's folder. Who holds the job's lock hands it in; else it is taken to remove each. */
export async function* leftoversOf(
  { disk, catalog, us }: { disk: Disk; catalog: Catalog; us: Runner },
  job: string,
  ours?: Lock,
): AsyncGenerator<Leftover> {
  const folder = catalog.folderOf(job);
  const entries = [];
  for await (const entry of catalog.entriesOf(job)) entries.push({ ...entry, files: await disk.names(entry.path) });
  // Looked at after the files: who makes files made its lock before.
  const all = (await holders(disk, folder, us)).filter(({ file }) => file !== ours?.file);
  const busy = new Set(all.filter(({ dead }) => !dead).map(({ id }) => id));

  for (const { file, id } of all.filter(({ dead }) => dead)) {
    const what = `lock of a dead run: ${file}`;
    yield { run: id, kind: 'repository lock', what, holds: false, remove: () => rm(file, { force: true }) };
  }
  for (const { id, path, files } of entries.filter((entry) => !busy.has(entry.id))) {
    const remove = async () => {
      await using _ = ours !== undefined ? undefined : await lock(disk, folder, { purpose: 'remove', id, us });
      if (!(await disk.names(path)).includes(MANIFEST)) return disk.removeFolder(path);
      for (const file of files.filter(isPartial)) await rm(join(path, file), { force: true });
    };
    const of = { run: id, holds: false, remove };
    if (!files.includes(MANIFEST)) yield { ...of, kind: 'partial backup', what: `folder of a run that died: ${path}` };
    else if (files.some(isPartial)) yield { ...of, kind: 'partial file', what: `half a record beside backup ${id}` };
  }
  if (ours !== undefined) return;
  // A copy that was cut is no run's of this job: only recover removes it, the next copy goes on with it.
  for (const staging of (await disk.names(folder)).filter(isStaging)) {
    const id = idOfFolder(staging.slice(STAGING.length)) ?? '';
    if (busy.has(id)) continue;
    const path = join(folder, staging);
    const remove = async () => {
      await using _ = await lock(disk, folder, { purpose: 'copy', id, us });
      await disk.removeFolder(path);
    };
    yield { run: id, kind: 'partial copy', what: `copy that was cut: ${path}`, holds: false, remove };
  }
}
