import { posix } from 'node:path';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Blocker, Facts, Method } from '../../model/facts.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import { openSession, type Session } from './session.ts';
import { hasRows, isTransactional, tablesOf, userDatabases } from './tables.ts';
import { toolsOutOfReach } from './tools.ts';

/** Settings that decide what is possible, or that a server needs to read the same files. */
const SETTINGS = [
  'aria_log_dir_path',
  'basedir',
  'character_set_server',
  'collation_server',
  'datadir',
  'gtid_domain_id',
  'innodb_data_file_path',
  'innodb_data_home_dir',
  'innodb_flush_log_at_trx_commit',
  'innodb_log_file_size',
  'innodb_log_group_home_dir',
  'innodb_page_size',
  'innodb_undo_directory',
  'innodb_undo_tablespaces',
  'log_bin',
  'log_bin_basename',
  'log_bin_index',
  'lower_case_table_names',
  'pid_file',
  'plugin_maturity',
  'read_only',
  'server_id',
  'server_uid',
  'socket',
  'sql_mode',
  'sync_binlog',
  'system_versioning_alter_history',
  'time_zone',
  'wsrep_on',
] as const;

/** A change of a definition that runs already: the hold would wait for it (manual: BACKUP STAGE BLOCK_DDL). */
const FLUSH_GUARD_SECONDS = 1;
const DDL = '^[[:space:](]*(ALTER|CREATE|DROP|TRUNCATE|RENAME|OPTIMIZE|REPAIR|ANALYZE|LOCK)';

/** Everything a plan needs to know of one server. Takes no locks, writes nothing. */
export async function inspect(at: Instance, login: Login): Promise<Facts> {
  await using session = await openSession(at, login, 'stillpoint/inspect');
  try {
    return await read(at, login, session);
  } catch (cause) {
    if (cause instanceof StillpointError) throw cause;
    throw new StillpointError(
      'unreachable',
      `The server did not answer a question about itself: ${messageOf(cause)}.`,
      { cause },
    );
  }
}

async function read(at: Instance, login: Login, session: Session): Promise<Facts> {
  await session
    .query('SET SESSION max_statement_time = 5, lock_wait_timeout = 2, transaction_read_only = 1')
    .catch(() => session.query('SET SESSION max_statement_time = 5, lock_wait_timeout = 2, tx_read_only = 1'));
  const [self] = await session.query('SELECT VERSION() AS version');
  const version = /^(\d+\.\d+\.\d+)/.exec(self?.version ?? '')?.[1] ?? '';
  if (!/MariaDB/i.test(self?.version ?? '')) {
    throw new StillpointError(
      'method-impossible',
      `${formatRef(at.ref)} is not MariaDB: its version is ${self?.version}. The tools of the one do not fit the other.`,
    );
  }
  const settings = await readSettings(session);
  const databases = await userDatabases(session);
  const tables = await tablesOf(session, databases);
  const privileges = await privilegesOf(session);
  const [size] = await session.query('SELECT SUM(DATA_LENGTH + INDEX_LENGTH) AS bytes FROM information_schema.TABLES');
  const [replica] = await session.query('SHOW SLAVE STATUS').catch(() => []);

  const blockers: Blocker[] = [];
  const block = (code: string, text: string, ...methods: Method[]): void => void blockers.push({ code, text, methods });
  const may = (privilege: string): boolean => privileges.includes('ALL PRIVILEGES') || privileges.includes(privilege);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 10 || (major === 10 && minor < 5))
    block('version', `MariaDB ${version} is older than 10.5, which this was made for`, 'snapshot', 'dump');
  for (const privilege of ['PROCESS', 'SELECT']) {
    if (!may(privilege)) block('privilege', `${login.user} has no ${privilege} privilege`, 'snapshot', 'dump');
  }
  if (!may('RELOAD')) block('unholdable', `${login.user} has no RELOAD privilege, which BACKUP STAGE needs`);
  if (settings.log_bin === 'ON' && !['BINLOG MONITOR', 'REPLICATION CLIENT', 'SUPER'].some(may))
    block(
      'privilege',
      `${login.user} has no BINLOG MONITOR privilege: the position cannot be read`,
      'snapshot',
      'dump',
    );
  for (const row of await session.query(`
    SELECT p.id, p.user, ROUND(p.time_ms / 1000) AS seconds, LEFT(p.info, 80) AS query FROM information_schema.PROCESSLIST p
    WHERE p.command IN ('Query', 'Execute') AND p.time_ms > ${FLUSH_GUARD_SECONDS * 1000} AND p.id <> CONNECTION_ID()
      AND p.info REGEXP '${DDL}' ORDER BY p.time_ms DESC LIMIT 3`)) {
    const text = `session ${row.id} (${row.user}) has been changing a definition for ${row.seconds} s: ${row.query}`;
    block('open-writer', text, 'snapshot', 'dump');
  }
  const prepared = await session.query('XA RECOVER');
  if (prepared.length > 0) {
    const names = prepared.map((it) => it.data).join(', ');
    block('prepared-transaction', `prepared XA transactions wait to be committed or rolled back: ${names}`, 'snapshot');
  }
  if (settings.wsrep_on === 'ON')
    block('unholdable', 'this is a member of a Galera cluster: while it is held, the others go on committing');
  if (replica) block('unholdable', 'this is a replica: while it is held, its primary goes on committing');
  if (databases.length === 0) block('empty', 'there is no database on it', 'dump');
  const tools = await toolsOutOfReach(at, version);
  if (tools !== undefined) block('tools', tools, 'dump');
  const paths = pathsOf(settings);
  const outside = [paths.log, ...paths.more].filter((it) => it !== paths.data && !it.startsWith(`${paths.data}/`));
  for (const path of outside)
    block('elsewhere', `${path} lies outside of the data directory, and only that can be restored`, 'snapshot');
  const unreachable = await filesOutOfReach(at, session, paths.data);
  if (unreachable !== undefined) block('files-out-of-reach', unreachable, 'snapshot');

  return {
    engine: 'mariadb',
    version,
    major,
    serverId: settings.server_uid ?? `server_id ${settings.server_id} in ${settings.datadir}`,
    role: replica ? 'standby' : 'primary',
    dataBytes: Number(size?.bytes ?? 0),
    paths,
    databases,
    tables: tables.filter(hasRows).length,
    settings: { ...settings, unpinned: String(tables.filter((it) => hasRows(it) && !isTransactional(it)).length) },
    privileges,
    blockers,
  };
}

async function readSettings(session: Session): Promise<Record<string, string>> {
  const names = SETTINGS.map((it) => `'${it}'`).join(', ');
  const rows = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  return Object.fromEntries(rows.map((row) => [row.Variable_name ?? '', row.Value ?? '']));
}

/** Those that hold everywhere; with roles that are active. */
async function privilegesOf(session: Session): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const row of await session.query('SHOW GRANTS')) {
    const granted = /^GRANT (.+) ON \*\.\* TO /.exec(Object.values(row)[0] ?? '')?.[1];
    for (const one of granted?.split(', ') ?? []) found.add(one);
  }
  return [...found];
}

/** Paths in settings are as somebody wrote them: relative ones begin at the data directory. */
function pathsOf(settings: Readonly<Record<string, string>>): Facts['paths'] {
  const data = posix.resolve(settings.datadir ?? '/');
  const at = (path: string | undefined): string => posix.resolve(data, path ?? '');
  const log = at(settings.innodb_log_group_home_dir);
  const others = [settings.innodb_undo_directory, settings.innodb_data_home_dir, settings.aria_log_dir_path].map(at);
  const binlog = settings.log_bin === 'ON' ? [posix.dirname(at(settings.log_bin_basename))] : [];
  const inside = (path: string): boolean => path === data || path.startsWith(`${data}/`);
  return { data, log, more: [...new Set([...others, ...binlog])].filter((it) => !inside(it) && it !== log) };
}

/** Why the data directory that the server names is not one that we can read; undefined when it is this very server's. */
async function filesOutOfReach(at: Instance, session: Session, data: string): Promise<string | undefined> {
  try {
    const files = await at.files(data);
    const names = await files.names('.');
    if (!names.includes('ibdata1') && !names.includes('aria_log_control'))
      return `${data} on this machine holds no data of MariaDB`;
    // Its databases are folders there: another server's folder of the same name has others.
    const [row] = await session.query('SELECT COUNT(*) AS n FROM information_schema.SCHEMATA');
    const known = names.filter((it) => ['mysql', 'sys'].includes(it)).length;
    return Number(row?.n) > 0 && known === 0 ? `${data} on this machine belongs to another server` : undefined;
  } catch (cause) {
    return `the files in ${data} cannot be read from here: ${messageOf(cause)}`;
  }
}
