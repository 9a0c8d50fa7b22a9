import type { Readable } from 'node:stream';
import type { SourceRecord } from '../../model/manifest.ts';
import { newTar } from '../../runtimes/pack.ts';
import { quoteText } from './session.ts';

/** Recovery refuses to start with less than the source had (manual 26.4.4). */
const FLOORS = [
  'max_connections',
  'max_worker_processes',
  'max_wal_senders',
  'max_prepared_transactions',
  'max_locks_per_transaction',
];

/** Everything that a server would begin to do by itself is off. */
export const ASLEEP: Readonly<Record<string, string>> = {
  archive_mode: 'off',
  primary_conninfo: '',
  primary_slot_name: '',
  max_logical_replication_workers: '0',
  shared_preload_libraries: '',
};

/** Libraries without which rows cannot be read; every other one could act by itself and is left out. */
export const NEEDED_LIBRARIES = ['timescaledb', 'citus', 'pg_tde', 'orioledb'];

/** What a server reads last, so that it wins (manual 20.1.2); the source's own is kept beside it. */
export const QUARANTINE = 'postgresql.auto.conf';
export const OWN_SETTINGS = 'stillpoint_source.auto.conf';

/** Where a tablespace is put: below the target, never where the source has it. */
export const tablespaceFolder = (oid: string): string => `stillpoint_tablespaces/${oid}`;

/** Settings, as lines of a configuration file: how far to recover, and nothing that the server would do by itself. */
export function quarantineLines(source: SourceRecord): readonly string[] {
  const preload = (source.settings.shared_preload_libraries ?? '')
    .split(',')
    .map((it) => it.trim())
    .filter((it) => NEEDED_LIBRARIES.includes(it));
  const settings: Readonly<Record<string, string>> = {
    ...Object.fromEntries(
      FLOORS.flatMap((name) => (source.settings[name] === undefined ? [] : [[name, source.settings[name]]])),
    ),
    ...ASLEEP,
    shared_preload_libraries: preload.join(','),
    ...(source.method === 'copy' ? pointOf(source) : {}),
  };
  return Object.entries(settings).map(([name, value]) => `${name} = ${quoteText(value)}`);
}

const pointOf = (source: SourceRecord): Readonly<Record<string, string>> => ({
  // Recovery insists on a command; all log is already in pg_wal, so it may always fail.
  restore_command: 'exit 1',
  recovery_target_name: source.position.values.point ?? '',
  recovery_target_timeline: 'current',
  recovery_target_action: 'promote',
});

/**
 * What makes restored files a server that recovers to the point and then does nothing by itself, whatever the source's
 * own configuration says; `own`: what ALTER SYSTEM had set there.
 */
export function quarantineFiles(
  source: SourceRecord,
  tablespaces: readonly string[],
  own: Buffer | undefined,
): Readable {
  const lines = quarantineLines(source);
  const tar = newTar();
  const add = (name: string, text: string | Buffer): void => void tar.entry({ name, mode: 0o600 }, text);
  if (own) add(OWN_SETTINGS, own);
  add(
    QUARANTINE,
    `# Written by Stillpoint: recovers to ${source.position.text}, then stays quarantined.\n${lines.join('\n')}\n`,
  );
  add(
    'stillpoint.conf',
    "# Written by Stillpoint, for starting these files without the source's own configuration.\nlisten_addresses = ''\n",
  );
  add('stillpoint_hba.conf', 'local all all trust\n');
  // A snapshot recovers as after a power cut: to the end of its log.
  if (source.method === 'copy') add('recovery.signal', '');
  for (const oid of tablespaces)
    tar.entry({ name: `pg_tblspc/${oid}`, type: 'symlink', linkname: `../${tablespaceFolder(oid)}` });
  // The label names the source's own folders; the links above replace them.
  tar.finalize();
  return tar as unknown as Readable;
}
