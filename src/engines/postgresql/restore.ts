import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { quarantineFiles, tablespaceFolder } from './quarantine.ts';
import { openSession, type Session } from './session.ts';

/** A server may replay for hours; but one that says and does nothing new for this long has hung. */
const SILENCE = 600_000;

/** Lays out the files of a copy so that a server started on them recovers to the point, quarantined. Starts nothing. */
export async function restoreFiles(source: SourceRecord, open: Open, target: Target): Promise<void> {
  const tablespaces: string[] = [];
  for (const { name } of source.artifacts) {
    const oid = /\.tablespace-(\d+)\.tar$/.exec(name)?.[1];
    if (oid !== undefined) {
      tablespaces.push(oid);
      await target.write(await open(name), tablespaceFolder(oid));
    } else if (name.endsWith('.base.tar') || name.endsWith('.label.tar')) await target.write(await open(name));
    else if (name.endsWith('.wal.tar')) await target.write(await open(name), 'pg_wal');
  }
  await target.write(quarantineFiles(source, tablespaces));
}

/** Restores into the twin, lets it recover to the point, and reads back from the server that it stopped exactly there. */
export async function restore(source: SourceRecord, open: Open, into: Twin): Promise<Login> {
  await restoreFiles(source, open, into);
  const { root, scratch } = into;
  // fsync and autovacuum off: this server is thrown away, and must not change what it is compared for.
  const settings = {
    config_file: `${root}/stillpoint.conf`,
    hba_file: `${root}/stillpoint_hba.conf`,
    listen_addresses: '',
    unix_socket_directories: scratch,
    port: '5432',
    fsync: 'off',
    autovacuum: 'off',
    logging_collector: 'off',
    log_destination: 'stderr',
    ssl: 'off',
  };
  await into.start([
    'postgres',
    '-D',
    root,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const login: Login = { user: source.settings.superuser ?? 'postgres', database: 'template1' };
  await using session = await untilStarted(into, login);
  await checkPosition(source, session);
  return login;
}

/** Waits until the server has left recovery. Throws `restore-failed` with its own words when it ended instead. */
async function untilStarted(into: Twin, login: Login): Promise<Session> {
  let heard = { at: performance.now(), state: '' };
  const ended = into.ended.then(() => true);
  for (;;) {
    if (await Promise.race([ended, sleep(50).then(() => false)]))
      throw new StillpointError(
        'restore-failed',
        `The restored server did not start: ${tellingLines(await into.log())}`,
      );
    const state = await tryState(into, login);
    if (typeof state !== 'string') return state;
    const now = `${state} ${(await into.log()).length}`;
    if (now !== heard.state) heard = { at: performance.now(), state: now };
    if (performance.now() - heard.at > SILENCE)
      throw new StillpointError(
        'restore-failed',
        `The restored server has hung: ${state}; it last said: ${tellingLines(await into.log())}`,
      );
  }
}

/** A session when the server is out of recovery; else how far it is. */
async function tryState(into: Twin, login: Login): Promise<Session | string> {
  let session: Session;
  try {
    session = await openSession(into, login, 'stillpoint/restore');
  } catch (cause) {
    return messageOf(cause);
  }
  const [row] = await session.query('SELECT pg_is_in_recovery() AS recovering, pg_last_wal_replay_lsn() AS lsn');
  if (row?.recovering === 'f') return session;
  await session[Symbol.asyncDispose]();
  return `recovering at ${row?.lsn}`;
}

/** The history of the timeline that promotion began says where and why recovery stopped (src/backend/access/transam/timeline.c). */
async function checkPosition(source: SourceRecord, session: Session): Promise<void> {
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

/** The lines of a server log that say what went wrong. */
function tellingLines(log: string): string {
  const lines = log.trimEnd().split('\n');
  const telling = lines.filter((it) => /\b(FATAL|PANIC|ERROR)\b/.test(it));
  return (telling.length > 0 ? telling.slice(-3) : lines.slice(-3)).join(' | ') || 'it said nothing';
}
