import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { QUARANTINE, quarantineFiles, tablespaceFolder } from './quarantine.ts';
import { dumpFiles, restoreDump } from './restore-dump.ts';
import { startServer } from './server.ts';
import { quoteText, type Session } from './session.ts';

/** Lays out the files of a copy or a snapshot so that a server started on them recovers to the point, quarantined. Starts nothing. */
export async function restoreFiles(source: SourceRecord, open: Open, target: Target): Promise<void> {
  if (source.method === 'dump') return dumpFiles(source, open, target);
  const tablespaces: string[] = [];
  for (const { name } of source.artifacts) {
    const oid = /\.tablespace-(\d+)\.tar$/.exec(name)?.[1];
    if (oid !== undefined) {
      tablespaces.push(oid);
      await target.write(await open(name), tablespaceFolder(oid));
    } else if (name.endsWith('.base.tar') || name.endsWith('.label.tar')) await target.write(await open(name));
    else if (name.endsWith('.wal.tar')) await target.write(await open(name), 'pg_wal');
  }
  await target.write(quarantineFiles(source, tablespaces, await target.read(QUARANTINE)));
}

/** Restores into the twin, lets it recover to the point, and reads back from the server that it stopped exactly there. */
export async function restore(source: SourceRecord, open: Open, into: Twin): Promise<Login> {
  if (source.method === 'dump') return restoreDump(source, open, into);
  await restoreFiles(source, open, into);
  const { root } = into;
  const login: Login = { user: source.settings.superuser ?? 'postgres', database: 'template1' };
  await using session = await startServer(into, login, {
    config_file: `${root}/stillpoint.conf`,
    hba_file: `${root}/stillpoint_hba.conf`,
  });
  await checkPosition(source, session);
  return login;
}

/** Reads back that it recovered to where the backup says. */
const checkPosition = (source: SourceRecord, session: Session): Promise<void> =>
  source.method === 'snapshot' ? checkEnd(source, session) : checkPoint(source, session);

/** A page of the log, and what begins a new one: as much may lie between the end of an image and what is written next. */
const LOG_PAGES = 2 * 8192;

/** Recovery from a crash ends with a checkpoint of its own, written where the image's log ended (src/backend/access/transam/xlog.c). */
async function checkEnd(source: SourceRecord, session: Session): Promise<void> {
  const { from = '', to = '' } = source.position.values;
  const [row] = await session.query(`
    SELECT checkpoint_lsn AS lsn, checkpoint_lsn >= ${quoteText(from)}::pg_lsn AND checkpoint_lsn - ${quoteText(to)}::pg_lsn <= ${LOG_PAGES} AS within
    FROM pg_control_checkpoint()`);
  if (row?.within === 't') return;
  throw new StillpointError(
    'restore-failed',
    `The restored server recovered to ${row?.lsn}, which is not between ${from} and ${to}.`,
  );
}

/** The history of the timeline that promotion began says where and why recovery stopped (src/backend/access/transam/timeline.c). */
async function checkPoint(source: SourceRecord, session: Session): Promise<void> {
  const [row] = await session.query(
    "SELECT pg_read_file('pg_wal/' || name) AS history FROM pg_ls_waldir() WHERE name LIKE '%.history' ORDER BY name DESC LIMIT 1",
  );
  const last = (row?.history ?? '').trimEnd().split('\n').at(-1) ?? '';
  const { point = '', lsn = '' } = source.position.values;
  const [, stoppedAt] = last.split('\t');
  if (last.includes(`"${point}"`) && stoppedAt === lsn) return;
  throw new StillpointError(
    'restore-failed',
    `The restored server did not stop at ${source.position.text}; its history says: ${last || 'nothing'}.`,
  );
}
