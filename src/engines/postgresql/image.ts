import type { Readable } from 'node:stream';
import { StillpointError } from '../../model/errors.ts';
import type { SourcePlan } from '../../model/plan.ts';
import type { CutFiles } from '../capture.ts';
import { readControl } from './control.ts';
import { skipInSnapshot } from './left-out.ts';

/** Log segments that recovery of an image may read, by their names: from its last checkpoint to its end. */
export interface Segments {
  readonly first: string;
  readonly last: string;
}

/**
 * What a storage cut holds of a server, as the streams that a restore wants: the data directory with its log, the log
 * by itself where it lies elsewhere, and each tablespace. Throws `source-changed` when the image is not one to start from.
 */
export async function* imageOf(
  plan: SourcePlan,
  cut: CutFiles,
  needed: Segments,
): AsyncGenerator<{ readonly name: string; readonly tar: Readable }> {
  const { data, log, more } = plan.facts.paths;
  const files = await cut(data);
  await readControl(files);
  const logElsewhere = (await files.link('pg_wal')) !== undefined;
  const skip = (path: string): boolean =>
    skipInSnapshot(path) || (logElsewhere && path === 'pg_wal') || notNeeded(path, needed);
  yield { name: `${plan.name}.base.tar`, tar: files.tar({ skip }) };
  if (logElsewhere)
    yield { name: `${plan.name}.wal.tar`, tar: (await cut(log)).tar({ skip: (path) => notNeeded(path, needed) }) };
  for (const oid of await files.names('pg_tblspc')) {
    const location = await files.link(`pg_tblspc/${oid}`);
    if (location === undefined || !more.includes(location)) {
      const text = `The tablespace in ${location ?? `pg_tblspc/${oid}`} came after the run had begun.`;
      throw new StillpointError('source-changed', text);
    }
    const tree = await cut(location);
    // One folder per catalog version (manual 22.6): others are left from an upgrade.
    const folder = (await tree.names('.')).find((it) => it.startsWith(`PG_${plan.facts.major}_`)) ?? '';
    const skipOthers = (path: string): boolean => !path.startsWith(folder) || path.includes('/pgsql_tmp');
    yield { name: `${plan.name}.tablespace-${oid}.tar`, tar: tree.tar({ skip: skipOthers }) };
  }
}

/** Segments before the last checkpoint are done with, and those after the end are old ones under a future name. */
function notNeeded(path: string, { first, last }: Segments): boolean {
  const name = path.split('/').at(-1) ?? '';
  return /^[0-9A-F]{24}$/.test(name) && (name < first || name > last);
}
