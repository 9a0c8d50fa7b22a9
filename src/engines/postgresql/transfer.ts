import type { SourceRecord } from '../../model/manifest.ts';
import type { Transfer } from '../transfer.ts';
import { fromDump, fromTwin, narrow } from './contents.ts';
import { clusterSettings } from './dump.ts';
import { inTheWay } from './in-the-way.ts';
import { load } from './load-server.ts';
import { dumpName, globalsName } from './names.ts';
import { buildServer } from './restore-dump.ts';
import { archiveOf, leftOutNotes } from './select.ts';
import { openSession } from './session.ts';

/** By pg_dump, pg_restore and psql. */
export const transfer: Transfer = {
  fromDump,
  fromTwin,
  narrow,
  async *layOut(source, contents) {
    yield { name: globalsName(source.name), content: await contents.globals() };
    const notes: string[] = [];
    for (const [number, database] of contents.databases.entries()) {
      const { archive, leftOut } = await archiveOf(contents, database);
      notes.push(...leftOutNotes(database, leftOut));
      yield { name: dumpName(source.name, database, String(number + 1)), content: archive };
    }
    return notes;
  },
  async build(source, contents, into, like) {
    const record = like ? await asDump(source, like) : source;
    return { source: record, ...(await buildServer(record, contents, into)) };
  },
  inTheWay,
  load,
};

/** The record that a dump of this server would have: how to make an empty one like it. */
async function asDump(
  source: SourceRecord,
  { twin, login }: NonNullable<Parameters<Transfer['build']>[3]>,
): Promise<SourceRecord> {
  await using session = await openSession(twin, login, 'stillpoint/restore');
  return { ...source, method: 'dump', settings: { ...source.settings, ...(await clusterSettings(session)) } };
}
