import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { SourceRecord } from '../../model/manifest.ts';
import { newTar } from '../../runtimes/pack.ts';
import type { Twin } from '../../runtimes/runtime.ts';
import type { Asleep } from '../engine.ts';
import { ASLEEP, OWN_SETTINGS, QUARANTINE, quarantineLines } from './quarantine.ts';
import { runTool } from './run-tool.ts';
import { openSession } from './session.ts';

/** A last checkpoint may have much to write. */
const STOP_LIMIT = 600;
const LOOK_LIMIT = 10_000;

/** What a dump does not carry: who may log in from where. As the official image has it. */
const LOGINS =
  'local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\nhost all all all scram-sha-256\n';

/** Stops the server, gives it a configuration that it starts with by itself, and makes durable what it wrote without fsync. */
export async function handOver(source: SourceRecord, from: Twin): Promise<Asleep> {
  const { root } = from;
  const links = await tablespaceLinks(source, from);
  const subscriptions = await enabledSubscriptions(source, from);
  await runTool(from, ['pg_ctl', 'stop', '-D', root, '-m', 'fast', '-w', '-t', String(STOP_LIMIT)], {});
  await from.ended;
  if (source.method === 'dump') {
    const tar = newTar();
    for (const { oid, place } of links)
      tar.entry({ name: `pg_tblspc/${oid}`, type: 'symlink', linkname: `../${place}` });
    tar.entry({ name: 'pg_hba.conf', mode: 0o600 }, LOGINS);
    const floors = quarantineLines(source).filter((it) => !isAsleep(it));
    tar.entry({ name: OWN_SETTINGS, mode: 0o600 }, ["listen_addresses = '*'", ...floors, ''].join('\n'));
    const lines = quarantineLines(source);
    tar.entry(
      { name: QUARANTINE, mode: 0o600 },
      ['# Written by Stillpoint: quarantined.', "listen_addresses = '*'", ...lines, ''].join('\n'),
    );
    tar.finalize();
    await from.write(tar as unknown as Readable);
  }
  const quarantine = (await from.read(QUARANTINE)) ?? Buffer.alloc(0);
  const own = (await from.read(OWN_SETTINGS)) ?? Buffer.alloc(0);
  const durable = (): Promise<void> => runTool(from, ['initdb', '--sync-only', '-D', root], {});
  const what = [...subscriptions];
  if (source.method !== 'dump') {
    await writeSettings(from, own);
    what.push(...(await settingsThatAct(from)), ...alteredSettings(own.toString('utf8')));
    await writeSettings(from, quarantine);
  }
  await durable();
  return {
    what,
    async wake() {
      await writeSettings(from, own);
      await durable();
    },
  };
}

const isAsleep = (line: string): boolean => Object.keys(ASLEEP).some((it) => line.startsWith(`${it} =`));

async function writeSettings(from: Twin, content: Buffer): Promise<void> {
  const tar = newTar();
  tar.entry({ name: QUARANTINE, mode: 0o600 }, content);
  tar.finalize();
  await from.write(tar as unknown as Readable);
}

/** As the server itself reads its files: `postgres -C` prints a setting and starts nothing (manual, postgres). Values may hold secrets. */
async function settingsThatAct(from: Twin): Promise<readonly string[]> {
  const value = async (name: string): Promise<string> => {
    await using process = await from.exec(['postgres', '-D', from.root, '-C', name], { limit: LOOK_LIMIT });
    process.stdin.end();
    const said = (await text(process.stdout)).trim();
    return (await process.exit).code === 0 ? said : '';
  };
  const [archives, libraries, primary] = [
    await value('archive_mode'),
    await value('shared_preload_libraries'),
    await value('primary_conninfo'),
  ];
  return [
    ...(archives === 'off' || archives === '' ? [] : [`the archiver: archive_mode is ${archives}`]),
    ...(primary === '' ? [] : ['replication: primary_conninfo is set']),
    ...(libraries === '' ? [] : [`libraries that may act by themselves: ${libraries}`]),
  ];
}

/** Logical workers of these subscriptions would fetch from other servers. */
async function enabledSubscriptions(source: SourceRecord, from: Twin): Promise<readonly string[]> {
  const login = { user: source.settings.superuser ?? 'postgres', database: 'template1' };
  await using session = await openSession(from, login, 'stillpoint/restore');
  const rows = await session.query('SELECT subname FROM pg_subscription WHERE subenabled ORDER BY 1');
  return rows.map((it) => `logical replication: the subscription ${it.subname} is enabled`);
}

/** Names only: what somebody has set with ALTER SYSTEM. */
function alteredSettings(file: string): readonly string[] {
  const names = file.split('\n').flatMap((it) => /^\s*([a-z_.]+)\s*=/i.exec(it)?.[1] ?? []);
  return names.length === 0 ? [] : [`what ALTER SYSTEM had set on the source: ${names.join(', ')}`];
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
