import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Blocker, Facts, Method } from '../../model/facts.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import { openSession, type Session } from './session.ts';
import { countTables, type TableCount } from './tables.ts';
import { toolsOutOfReach } from './tools.ts';

const APPLICATION = 'stillpoint/inspect';

/** Settings that decide what is possible, or that a restored server must match or exceed (manual 26.4.4, hot standby). */
const SETTINGS = [
  'archive_mode',
  'block_size',
  'config_file',
  'data_checksums',
  'data_directory',
  'deadlock_timeout',
  'fsync',
  'full_page_writes',
  'hba_file',
  'ident_file',
  'lc_collate',
  'listen_addresses',
  'max_connections',
  'max_locks_per_transaction',
  'max_prepared_transactions',
  'max_replication_slots',
  'max_wal_senders',
  'max_worker_processes',
  'server_encoding',
  'shared_preload_libraries',
  'synchronous_commit',
  'unix_socket_directories',
  'wal_level',
  'wal_segment_size',
] as const;

const CLUSTER = `
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int / 10000 AS major,
       (SELECT system_identifier FROM pg_control_system()) AS system,
       CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role,
       (SELECT rolname FROM pg_roles WHERE oid = 10) AS bootstrap,
       r.rolsuper, r.rolreplication, r.rolbypassrls,
       (SELECT count(*) FROM pg_replication_slots) AS slots,
       (SELECT count(*) FROM pg_prepared_xacts) AS prepared,
       (SELECT string_agg(gid, ', ') FROM pg_prepared_xacts) AS gids
FROM pg_roles r WHERE r.rolname = current_user`;

/** Open transactions that have written: a hold waits for them. */
const WRITERS = `
SELECT pid, usename, application_name, round(extract(epoch FROM now() - xact_start)) AS seconds, left(query, 60) AS query
FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND now() - xact_start > interval '5 seconds' ORDER BY xact_start LIMIT 3`;

/** A vacuum that the server needs to go on at all gives way to nobody. */
const WRAPAROUND = `
SELECT pid, datname, left(query, 100) AS query FROM pg_stat_activity
WHERE backend_type = 'autovacuum worker' AND query LIKE '%(to prevent wraparound)' AND query !~ ' pg_(catalog|toast)[.]' LIMIT 3`;

/** What the copy calls, by version; the login needs EXECUTE on each. */
const backupFunctions = (major: number): readonly string[] => [
  ...(major < 15
    ? ['pg_start_backup(text,boolean,boolean)', 'pg_stop_backup(boolean,boolean)']
    : ['pg_backup_start(text,boolean)', 'pg_backup_stop(boolean)']),
  'pg_create_restore_point(text)',
  'pg_switch_wal()',
];

/** Everything a plan needs to know of one server. Takes no locks, writes nothing, ends after 5 s. */
export async function inspect(at: Instance, login: Login): Promise<Facts> {
  await using session = await openSession(at, login, APPLICATION);
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
  await session.query(
    "SET statement_timeout = '5s'; SET default_transaction_read_only = on; SET search_path = pg_catalog",
  );
  const [cluster] = await session.query(CLUSTER);
  const major = Number(cluster?.major);
  const settingRows = await session.query(
    `SELECT name, setting FROM pg_settings WHERE name IN (${SETTINGS.map((it) => `'${it}'`).join(', ')})`,
  );
  const settings: Record<string, string> = Object.fromEntries(
    settingRows.map((row) => [row.name ?? '', row.setting ?? '']),
  );
  settings.bootstrap_superuser = cluster?.bootstrap ?? 'postgres';
  const programs = await session.query("SELECT setting FROM pg_config WHERE name = 'BINDIR'").catch(() => []);
  if (programs[0]?.setting) settings.programs = programs[0].setting;

  const databases = (await session.query('SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname')).map(
    (row) => row.datname ?? '',
  );
  const [size] = await session.query(
    "SELECT sum(pg_database_size(oid)) AS bytes FROM pg_database WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')",
  );
  const tablespaces = await session.query(
    "SELECT pg_tablespace_location(oid) AS path FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''",
  );
  const wanted = at.ref.database === undefined ? databases : databases.filter((it) => it === at.ref.database);
  const counts: TableCount[] = [];
  const closed: string[] = [];
  for (const database of wanted) {
    try {
      await using other = await openSession(at, login, APPLICATION, database);
      counts.push(await countTables(other));
    } catch (cause) {
      closed.push(messageOf(cause));
    }
  }

  const superuser = cluster?.rolsuper === 't';
  const privileges = [
    ...(superuser ? ['SUPERUSER'] : []),
    ...(cluster?.rolreplication === 't' ? ['REPLICATION'] : []),
    ...(cluster?.rolbypassrls === 't' ? ['BYPASSRLS'] : []),
  ];
  const blockers: Blocker[] = [];
  const block = (code: string, text: string, ...methods: Method[]): void => void blockers.push({ code, text, methods });
  /** Without a hold there is no copy; the other methods go on, when the server shows that it was quiet. */
  const blockHold = (code: string, text: string): void => {
    block(code, text, 'copy');
    block('unholdable', text);
  };

  if (cluster?.role === 'standby')
    block(
      'standby',
      'this is a standby: a restore point cannot be set and its primary keeps committing; back up the primary',
      'snapshot',
      'copy',
      'dump',
    );
  if (settings.wal_level === 'minimal')
    block('wal-level', 'wal_level is minimal: the log cannot carry an online backup; set it to replica', 'copy');
  if (settings.full_page_writes === 'off')
    block(
      'full-page-writes',
      'full_page_writes is off: files copied while they change cannot be repaired from the log',
      'snapshot',
      'copy',
    );
  if (settings.fsync === 'off')
    block(
      'fsync',
      'fsync is off: what a snapshot holds of the log may be older than what it holds of the data',
      'snapshot',
    );
  if (Number(settings.max_replication_slots) <= Number(cluster?.slots)) {
    block(
      'no-slot',
      `all ${settings.max_replication_slots} replication slots are taken: the log cannot be pinned; raise max_replication_slots`,
      'copy',
    );
  }
  if (!superuser && cluster?.rolreplication !== 't')
    block('privilege', `${login.user} has no REPLICATION privilege, which the slot needs`, 'copy');
  const calls = backupFunctions(major)
    .map((it) => `'${it}'`)
    .join(', ');
  const denied = await session.query(
    `SELECT f FROM unnest(ARRAY[${calls}]) f WHERE NOT has_function_privilege(f, 'execute')`,
  );
  if (denied.length > 0)
    block('privilege', `${login.user} may not call ${denied.map((row) => row.f).join(', ')}`, 'copy');
  for (const why of closed) block('privilege', why.replace(/\.$/, ''), 'snapshot', 'copy', 'dump');
  for (const count of counts) {
    if (count.unreadable > 0) {
      block(
        'privilege',
        `${login.user} may not read ${count.unreadable} of ${count.tables} tables in database ${count.database} (${count.firstUnreadable} is one)`,
        'snapshot',
        'copy',
        'dump',
      );
    }
    if (count.unreadableObjects > 0) {
      block(
        'privilege',
        `${login.user} may not read ${count.unreadableObjects} large objects in database ${count.database}; GRANT SELECT ON LARGE OBJECT, or let a superuser set lo_compat_privileges = on for this role`,
        'snapshot',
        'copy',
        'dump',
      );
    }
    if (count.filtered > 0) {
      block(
        'privilege',
        `row security hides rows of ${count.filtered} tables in database ${count.database} from ${login.user}; ALTER ROLE ${login.user} BYPASSRLS`,
        'snapshot',
        'copy',
        'dump',
      );
    }
    if (count.unlockable > 0) {
      blockHold(
        'privilege',
        `${login.user} may not lock ${count.unlockable} of ${count.tables} tables in database ${count.database} (${count.firstUnlockable} is one)`,
      );
    }
  }
  if (Number(cluster?.prepared) > 0)
    blockHold(
      'prepared-transaction',
      `a prepared transaction holds locks until it is committed or rolled back: ${cluster?.gids}`,
    );
  for (const row of await session.query(WRITERS)) {
    blockHold(
      'open-writer',
      `session ${row.pid} (${row.usename}, ${row.application_name || 'no name'}) has an open transaction that wrote, for ${row.seconds} s: ${row.query}`,
    );
  }
  for (const row of await session.query(WRAPAROUND)) {
    if (wanted.includes(row.datname ?? ''))
      blockHold(
        'autovacuum',
        `session ${row.pid} is an autovacuum that does not give way, in database ${row.datname}: ${row.query}`,
      );
  }
  const tables = counts.reduce((sum, it) => sum + it.tables, 0);
  const capacity =
    Number(settings.max_locks_per_transaction) *
    (Number(settings.max_connections) + Number(settings.max_prepared_transactions));
  if (tables > capacity / 2)
    block(
      'lock-table',
      `${tables} tables need more than half of the lock table (${capacity} locks, shared with the application); raise max_locks_per_transaction`,
      'snapshot',
      'copy',
      'dump',
    );

  const tools = await toolsOutOfReach(at, major, settings.programs);
  if (tools !== undefined) block('tools', tools, 'dump');

  const data = settings.data_directory;
  if (data === undefined)
    block('privilege', `${login.user} may not see data_directory (pg_read_all_settings)`, 'copy', 'snapshot', 'dump');
  else {
    const unreachable = await filesOutOfReach(at, session, data);
    if (unreachable) block('files-out-of-reach', unreachable, 'copy', 'snapshot');
  }
  return {
    engine: 'postgresql',
    version: (cluster?.version ?? '').split(' ')[0] ?? '',
    major,
    serverId: cluster?.system ?? '',
    role: cluster?.role === 'standby' ? 'standby' : 'primary',
    dataBytes: Number(size?.bytes ?? 0),
    paths: {
      data: data ?? '',
      log: data === undefined ? '' : `${data}/pg_wal`,
      more: tablespaces.map((row) => row.path ?? ''),
    },
    databases,
    tables,
    populated: counts.filter((it) => it.tables > 0 || it.largeObjects).map((it) => it.database),
    settings,
    privileges,
    blockers,
  };
}

/** Why the data directory that the server names is not one that we can read; undefined when it is this very server's. */
async function filesOutOfReach(at: Instance, session: Session, data: string): Promise<string | undefined> {
  const [start] = await session.query('SELECT floor(extract(epoch FROM pg_postmaster_start_time())) AS started');
  try {
    const files = await at.files(data);
    // Line 3 of postmaster.pid is the start time: another server's folder of the same name has another.
    const started = (await files.read('postmaster.pid')).toString('utf8').split('\n')[2];
    if (Math.abs(Number(started) - Number(start?.started)) <= 1) return undefined;
    return `${data} on this machine belongs to another server`;
  } catch (cause) {
    return `the files in ${data} cannot be read from here: ${messageOf(cause)}`;
  }
}
