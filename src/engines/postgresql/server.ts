import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Login } from '../../model/secret.ts';
import type { Twin } from '../../runtimes/runtime.ts';
import { openSession, type Session } from './session.ts';

/** A server may replay for hours; but one that says and does nothing new for this long has hung. */
const SILENCE = 600_000;

/** This server is thrown away, and must not change what it is compared for. */
const THROWAWAY = {
  listen_addresses: '',
  port: '5432',
  fsync: 'off',
  autovacuum: 'off',
  logging_collector: 'off',
  log_destination: 'stderr',
  ssl: 'off',
  archive_mode: 'off',
  max_logical_replication_workers: '0',
};

/** Starts the twin's server on what lies in its root; the session when it is out of recovery. */
export async function startServer(
  into: Twin,
  login: Login,
  settings: Readonly<Record<string, string>>,
): Promise<Session> {
  const all = { ...THROWAWAY, unix_socket_directories: into.scratch, ...settings };
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  await into.start(['postgres', '-D', into.root, ...options]);
  return untilStarted(into, login);
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

/** The lines of a server log that say what went wrong. */
function tellingLines(log: string): string {
  const lines = log.trimEnd().split('\n');
  const telling = lines.filter((it) => /\b(FATAL|PANIC|ERROR)\b/.test(it));
  return (telling.length > 0 ? telling.slice(-3) : lines.slice(-3)).join(' | ') || 'it said nothing';
}
