import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, test } from 'vitest';
import { startEmbedded } from '../embedded/postgres.ts';
import { btrfs, canMount } from '../environment/disks.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';

const root = process.getuid?.() === 0;

const noDisk = await canMount('btrfs');

test(
  'STORE-8 START-10 a copy comes back with exactly the commands that show --commands prints',
  {
    timeout: 180_000,
  },
  () => comesBack('copy'),
);

test.skipIf(noDisk)(
  `STORE-8 DOCK-7 a snapshot comes back with exactly the commands that show --commands prints${noDisk ? ` (skipped: ${noDisk})` : ''}`,
  { timeout: 180_000 },
  async () => {
    await using disk = await btrfs({ sizeMiB: 1024 });
    await comesBack('snapshot', disk.path);
  },
);

async function comesBack(method: string, parent?: string): Promise<void> {
  const where = parent === undefined ? {} : { parent };
  await using server = await startEmbedded({ ...where, databases: ['shop'], tablespaces: ['elsewhere'] });
  await server.query(
    'CREATE TABLE orders AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 5000) g; CREATE TABLE placed TABLESPACE elsewhere AS SELECT 42 AS answer',
    [],
    'shop',
  );
  await using folder = await makeFolder();
  await chmod(folder.path, 0o755);
  const env = {
    STILLPOINT_USER: server.user,
    STILLPOINT_PASSWORD_FILE: server.passwordFile,
    STILLPOINT_STATE: folder.in('state'),
  };
  const made = await stillpoint(['backup', server.url, '--to', folder.in('repository'), '--method', method], { env });
  expect(made.code, made.stderr).toBe(0);
  const shown = await stillpoint(['show', 'latest', '--from', folder.in('repository'), '--commands'], { env });
  expect(shown.code, shown.stderr).toBe(0);

  // As printed: root installs the tools and unpacks; the last line starts the server, as its user.
  const script = shown.stdout.trimEnd();
  const start = script.split('\n').at(-1) ?? '';
  expect(start).toMatch(/^postgres -D /);
  const install = /^apt-get .*$/m;
  expect(script).toMatch(install);
  const work = folder.in('work');
  await mkdir(work);
  const typed = root ? script.slice(0, -start.length) : script.slice(0, -start.length).replace(install, '');
  await writeFile(folder.in('typed'), typed);
  const typing = spawn('sh', ['-e', folder.in('typed')], {
    cwd: work,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  typing.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const [code] = (await once(typing, 'close')) as [number];
  expect(code, said).toBe(0);

  const data = `${work}/${start.slice('postgres -D '.length)}`;
  const socket = folder.in('socket');
  await mkdir(socket);
  await chmod(socket, 0o777);
  const as = root ? { uid: server.uid, gid: server.uid } : {};
  const child = spawn(
    `${server.binaries}/postgres`,
    ['-D', data, '-c', `unix_socket_directories=${socket}`, '-c', 'listen_addresses='],
    { cwd: work, stdio: ['ignore', 'ignore', 'pipe'], ...as },
  );
  let log = '';
  child.stderr.on('data', (text: Buffer) => {
    log += text.toString();
  });
  try {
    // The configuration is the source's own, so its logins are, too.
    const login = {
      host: socket,
      port: server.port,
      user: server.user,
      password: (await readFile(server.passwordFile, 'utf8')).trim(),
      database: 'shop',
    };
    for (let tries = 0; ; tries++) {
      const client = new pg.Client(login);
      try {
        await client.connect();
        const { rows } = await client.query(
          'SELECT (SELECT count(*)::int FROM orders) AS orders, (SELECT answer FROM placed) AS answer, pg_is_in_recovery() AS recovering',
        );
        if (rows[0].recovering === false) {
          expect(rows).toEqual([{ orders: 5000, answer: 42, recovering: false }]);
          break;
        }
      } catch (cause) {
        if (tries > 100 || child.exitCode !== null) throw new Error(`it did not start: ${log}`, { cause });
      } finally {
        await client.end().catch(() => undefined);
      }
      await sleep(100);
    }
  } finally {
    child.kill('SIGQUIT');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
