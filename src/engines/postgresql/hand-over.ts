import type { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Twin } from '../../runtimes/runtime.ts';
import { quarantineLines } from './quarantine.ts';
import { openSession } from './session.ts';

/** A last checkpoint may have much to write. */
const STOP_LIMIT = 600_000;

/** What a dump does not carry: who may log in from where. As the official image has it. */
const LOGINS =
  'local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\nhost all all all scram-sha-256\n';

/** Stops the server, gives it a configuration that it starts with by itself, and makes durable what it wrote without fsync. */
export async function handOver(source: SourceRecord, from: Twin): Promise<void> {
  const { root } = from;
  const links = await tablespaceLinks(source, from);
  await run(from, ['pg_ctl', 'stop', '-D', root, '-m', 'fast', '-w', '-t', String(STOP_LIMIT / 1000)]);
  await from.ended;
  if (source.method === 'dump') {
    const tar = pack();
    for (const { oid, place } of links)
      tar.entry({ name: `pg_tblspc/${oid}`, type: 'symlink', linkname: `../${place}` });
    tar.entry({ name: 'pg_hba.conf', mode: 0o600 }, LOGINS);
    const quiet = quarantineLines(source);
    tar.entry(
      { name: 'postgresql.auto.conf', mode: 0o600 },
      `# Written by Stillpoint: quarantined.\nlisten_addresses = '*'\n${quiet.join('\n')}\n`,
    );
    tar.finalize();
    await from.write(tar as unknown as Readable);
  }
  await run(from, ['initdb', '--sync-only', '-D', root]);
}

/** Tablespaces of a restored dump lie below the root, by absolute links; the files will have another root. */
async function tablespaceLinks(source: SourceRecord, from: Twin): Promise<readonly { oid: string; place: string }[]> {
  const login = { user: source.settings.superuser ?? 'postgres', database: 'template1' };
  await using session = await openSession(from, login, 'stillpoint/restore');
  const rows = await session.query(
    "SELECT oid, pg_tablespace_location(oid) AS path FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''",
  );
  return rows
    .map((row) => ({ oid: row.oid ?? '', place: (row.path ?? '').slice(from.root.length + 1) }))
    .filter((_, at) => (rows[at]?.path ?? '').startsWith(`${from.root}/`));
}

async function run(from: Twin, argv: readonly string[]): Promise<void> {
  await using process = await from.exec(argv, { limit: STOP_LIMIT });
  process.stdin.end();
  process.stdout.resume();
  const { code, stderr } = await process.exit;
  if (code === 0) return;
  throw new StillpointError(
    'restore-failed',
    `${argv[0]} failed on the restored server with exit status ${code}: ${stderr.trim().split('\n').at(-1)}`,
  );
}
