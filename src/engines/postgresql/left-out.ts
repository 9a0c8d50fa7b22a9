/** What no physical backup needs (manual 26.3.4.3; src/backend/backup/basebackup.c, excludeDirContents and excludeFiles). */
const EMPTIED = [
  'pg_replslot/',
  'pg_dynshmem/',
  'pg_notify/',
  'pg_serial/',
  'pg_snapshots/',
  'pg_stat_tmp/',
  'pg_subtrans/',
  'pg_tblspc/',
];
const LEFT_OUT = [
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'tablespace_map',
  'backup_manifest',
  'postgresql.auto.conf.tmp',
  'current_logfiles.tmp',
  // Where snapshots lie when the data directory is what is mounted.
  '.stillpoint',
];

const skips = (emptied: readonly string[], leftOut: readonly string[]) => (path: string) => {
  const name = path.replace(/\/$/, '').split('/').at(-1) ?? '';
  return (
    emptied.includes(path) ||
    leftOut.includes(path) ||
    name.startsWith('pgsql_tmp') ||
    name.startsWith('pg_internal.init')
  );
};

/** A copy gets its log and its control file when the files are done. */
export const skipInCopy = skips([...EMPTIED, 'pg_wal/'], [...LEFT_OUT, 'global/pg_control']);

/**
 * A snapshot holds both, of one instant. A label would make the server look for log that is not there; a signal file
 * would make it a standby of somebody.
 */
export const skipInSnapshot = skips(EMPTIED, [...LEFT_OUT, 'standby.signal', 'recovery.signal']);
