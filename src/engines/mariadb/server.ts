import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import { newTar } from '../../runtimes/pack.ts';
import type { Twin } from '../../runtimes/runtime.ts';
import { TWIN_USER } from './objects.ts';
import { openSession, type Session } from './session.ts';

/** A server may recover for hours; but one that says nothing new for this long has hung. */
const SILENCE = 600_000;

/** What a server needs to read the same files, or to be made like the other one. */
const NEEDED = [
  'innodb_page_size',
  'innodb_data_file_path',
  'innodb_undo_tablespaces',
  'lower_case_table_names',
  'character_set_server',
  'collation_server',
];

/** The settings that both mariadb-install-db and the server must be given. */
export const neededOptions = ({ settings }: SourceRecord): readonly string[] =>
  NEEDED.flatMap((name) => (settings[name] === undefined ? [] : [`--${name.replaceAll('_', '-')}=${settings[name]}`]));

/** Nothing that a restored server would do by itself: no replica, no event, nobody to reach it but by its socket. */
export const QUARANTINE: readonly string[] = ['--skip-slave-start', '--event-scheduler=OFF', '--skip-networking'];

/** Below the root, which is all that a twin can be given. */
export const ACCOUNT_FILE = 'stillpoint.account.sql';
/** Read at every start, before anybody can log in. The socket lies in a folder that only the server's user may enter. */
const ACCOUNT_SQL = `SET SESSION sql_log_bin = 0;
CREATE OR REPLACE USER '${TWIN_USER}'@'localhost' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO '${TWIN_USER}'@'localhost' WITH GRANT OPTION;
`;

/** What makes the account that we look with. */
export function accountFile(): Readable {
  const tar = newTar();
  tar.entry({ name: ACCOUNT_FILE, mode: 0o600 }, ACCOUNT_SQL);
  tar.finalize();
  return tar as unknown as Readable;
}

export const socketOf = (into: Twin): string => `${into.scratch}/.s.mariadb`;

/** Starts the twin's server on what lies in its root; the session when it answers. */
export async function startServer(into: Twin, source: SourceRecord, settings: readonly string[]): Promise<Session> {
  await into.start([
    'mariadbd',
    '--no-defaults',
    `--datadir=${into.root}`,
    `--socket=${socketOf(into)}`,
    `--pid-file=${into.scratch}/mariadbd.pid`,
    `--init-file=${into.root}/${ACCOUNT_FILE}`,
    `--server-id=${source.settings.server_id ?? '1'}`,
    ...QUARANTINE,
    ...neededOptions(source),
    ...settings,
  ]);
  return untilStarted(into);
}

export const twinLogin: Login = { user: TWIN_USER };

/** Throws `restore-failed` with the server's own words when it ended instead. */
async function untilStarted(into: Twin): Promise<Session> {
  let heard = { at: performance.now(), state: '' };
  const ended = into.ended.then(() => true);
  for (;;) {
    if (await Promise.race([ended, sleep(50).then(() => false)]))
      throw new StillpointError(
        'restore-failed',
        `The restored server did not start: ${tellingLines(await into.log())}`,
      );
    let state: string;
    try {
      return await openSession(into, twinLogin, 'stillpoint/restore');
    } catch (cause) {
      state = `${messageOf(cause)} ${(await into.log()).length}`;
    }
    if (state !== heard.state) heard = { at: performance.now(), state };
    if (performance.now() - heard.at > SILENCE)
      throw new StillpointError('restore-failed', `The restored server has hung: ${tellingLines(await into.log())}`);
  }
}

/** The lines of a server log that say what went wrong. */
function tellingLines(log: string): string {
  const lines = log.trimEnd().split('\n');
  const telling = lines.filter((it) => /\[ERROR\]|\bsignal \d/.test(it));
  return (telling.length > 0 ? telling.slice(-3) : lines.slice(-3)).join(' | ') || 'it said nothing';
}
