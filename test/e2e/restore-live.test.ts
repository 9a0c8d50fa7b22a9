import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { startEmbedded } from '../embedded/postgres.ts';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { startServer } from '../support/containers.ts';
import { ask } from '../support/psql.ts';
import { startRestored } from '../support/restored.ts';

const found = await tryImage('postgres-15');

/** Every file below a folder with its identity on the disk, by which it is known under any path and from any container. */
async function filesBelow(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // A live server removes files at any moment.
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.set(`${found.dev}:${found.ino}`, path);
  }
  return files;
}

/** What it holds is not touched by a server that rests: tables and indexes, not log and statistics. */
async function contentOf(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of [...(await filesBelow(folder)).values()].sort()) hash.update(path).update(await readFile(path));
  return hash.digest('hex');
}

/** Identities of everything that these processes have open or mapped. */
async function openIn(pids: readonly number[]): Promise<readonly string[]> {
  const open: string[] = [];
  for (const pid of pids) {
    for (const kind of ['fd', 'map_files']) {
      for (const name of await readdir(`/proc/${pid}/${kind}`).catch(() => [])) {
        const found = await stat(`/proc/${pid}/${kind}/${name}`).catch(() => undefined);
        if (found?.isFile()) open.push(`${found.dev}:${found.ino}`);
      }
    }
  }
  return open;
}

const pidsIn = async (folder: string): Promise<readonly number[]> => {
  const pids: number[] = [];
  for (const name of (await readdir('/proc')).filter((it) => /^\d+$/.test(it)))
    if ((await readlink(`/proc/${name}/cwd`).catch(() => '')) === folder) pids.push(Number(name));
  return pids;
};

/** A session that has everything open that its queries need. */
const READ = 'SELECT count(*) FROM placed; SELECT count(*) FROM plain; CHECKPOINT';

test.skipIf(!found.ok || process.getuid?.() !== 0)(
  `DOCK-9 --as beside a live source with a tablespace: nothing of the source is opened, and its files stay as they were${found.ok ? '' : ` (skipped: ${found.reason})`}`,
  { timeout: 180_000 },
  async () => {
    await using folder = await makeFolder();
    const fast = folder.in('fast');
    await mkdir(fast);
    await using server = await startServer({
      command: ['-c', 'autovacuum=off'],
      binds: [{ source: fast, target: '/srv/fast' }],
    });
    await server.run('chown', 'postgres', '/srv/fast');
    await server.query("CREATE TABLESPACE fast LOCATION '/srv/fast'");
    await server.query('CREATE TABLE placed TABLESPACE fast AS SELECT generate_series(1, 1000) AS id');
    await server.query('CREATE TABLE plain AS SELECT generate_series(1, 1000) AS id');
    const env = { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch') };
    const done = await stillpoint(['backup', `docker:${server.name}`, '--method', 'copy', '--to', folder.in('r')], {
      env,
    });
    expect(done.code, done.stderr).toBe(0);
    await server.query('VACUUM FREEZE');
    await server.query('CHECKPOINT');
    const docker = new Docker();
    const { Mounts } = await docker.getContainer(server.name).inspect();
    const data = Mounts.find((it) => it.Destination === '/var/lib/postgresql/data')?.Source ?? '';
    const before = [await contentOf(fast), await contentOf(join(data, 'base'))];
    const name = `beside-${server.name}`;
    try {
      const restored = await stillpoint(['restore', 'latest', '--from', folder.in('r'), '--as', 'beside-'], { env });
      expect(restored.code, restored.stderr).toBe(0);
      expect(await ask(name, 'postgres', 'DELETE FROM placed WHERE id > 10; SELECT count(*) FROM placed')).toMatch(
        /10$/,
      );
      const reading = execa(
        'docker',
        ['exec', name, 'psql', '-U', 'postgres', '-c', READ, '-c', 'SELECT pg_sleep(5)'],
        { reject: false },
      );
      await ask(name, 'postgres', "SELECT 1 / count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'");
      const titles = ((await docker.getContainer(name).top()) as { Processes: string[][] }).Processes;
      const open = await openIn(titles.map((it) => Number(it[1])));
      const sources = new Map([...(await filesBelow(fast)), ...(await filesBelow(data))]);
      expect(open.length).toBeGreaterThan(10);
      expect(open.flatMap((it) => sources.get(it) ?? [])).toEqual([]);
      const { Mounts: mounts } = await docker.getContainer(name).inspect();
      expect(mounts.map((it) => it.Source)).not.toContain(fast);
      await reading;
      expect([await contentOf(fast), await contentOf(join(data, 'base'))]).toEqual(before);
      expect(await ask(server.name, 'postgres', 'SELECT count(*) FROM placed')).toBe('1000');
    } finally {
      await execa('docker', ['rm', '-f', '-v', name], { reject: false });
      await execa('docker', ['volume', 'rm', '-f', `${name}-data`], { reject: false });
    }
  },
);

test('DOCK-9 --files beside a live source with a tablespace: a server started on them opens nothing of the source, whose files stay as they were', {
  timeout: 120_000,
}, async () => {
  await using server = await startEmbedded({ tablespaces: ['fast'], settings: { autovacuum: 'off' } });
  await using folder = await makeFolder();
  await server.query('CREATE TABLE placed TABLESPACE fast AS SELECT generate_series(1, 1000) AS id');
  await server.query('CREATE TABLE plain AS SELECT generate_series(1, 1000) AS id');
  const env = {
    STILLPOINT_USER: server.user,
    STILLPOINT_PASSWORD_FILE: server.passwordFile,
    STILLPOINT_STATE: folder.in('state'),
    STILLPOINT_SCRATCH: folder.in('scratch'),
  };
  const done = await stillpoint(['backup', server.url, '--method', 'copy', '--to', folder.in('r')], { env });
  expect(done.code, done.stderr).toBe(0);
  await server.query('VACUUM FREEZE');
  await server.query('CHECKPOINT');
  const places = [join(server.folder, 'tablespace-fast'), join(server.dataDirectory, 'base')];
  const before = await Promise.all(places.map(contentOf));
  const files = folder.in('files');
  const laid = await stillpoint(['restore', 'latest', '--from', folder.in('r'), '--files', files], { env });
  expect(laid.code, laid.stderr).toBe(0);
  await using restored = await startRestored(files, server.binaries);
  await restored.query('DELETE FROM placed WHERE id > 10', 'postgres');
  const reading = restored.query(`${READ}; SELECT pg_sleep(2)`, 'postgres');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const open = await openIn(await pidsIn(files));
  const sources = new Map([...(await filesBelow(places[0] ?? '')), ...(await filesBelow(server.dataDirectory))]);
  expect(open.length).toBeGreaterThan(10);
  expect(open.flatMap((it) => sources.get(it) ?? [])).toEqual([]);
  await reading;
  expect(await restored.query('SELECT count(*)::int AS n FROM placed', 'postgres')).toEqual([{ n: 10 }]);
  expect(await Promise.all(places.map(contentOf))).toEqual(before);
  expect(await server.query('SELECT count(*)::int AS n FROM placed')).toEqual([{ n: 1000 }]);
});
