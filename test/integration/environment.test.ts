import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { describe, expect, test } from 'vitest';
import { btrfs, canMount } from '../environment/disks.ts';
import { image, images, tryImage } from '../environment/images.ts';

const postgres = await tryImage('postgres-15');
const noDisk = (await canMount('btrfs')) ?? (postgres.ok ? undefined : postgres.reason);

const title = (what: string, reason: string | undefined): string => (reason ? `${what} (skipped: ${reason})` : what);

const container = async (): Promise<GenericContainer> =>
  new GenericContainer(await image('postgres-15'))
    .withEnvironment({ POSTGRES_PASSWORD: 'a secret', POSTGRES_USER: 'ann', POSTGRES_DB: 'shop' })
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2));

/** Asks one thing over TCP, with the password. */
const ask = async (started: StartedTestContainer, query: string, password = 'a secret'): Promise<unknown> => {
  const client = new Client({
    host: started.getHost(),
    port: started.getMappedPort(5432),
    user: 'ann',
    database: 'shop',
    password,
  });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(query);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
};

describe.skipIf(!postgres.ok)(title('the postgres-15 image', postgres.ok ? undefined : postgres.reason), () => {
  test('lets in who has the password, and runs as the official image does', async () => {
    await using started = await (await container()).start();

    expect(await ask(started, 'SHOW server_version_num')).toMatch(/^15\d{4}$/);
    await expect(ask(started, 'SELECT 1', 'wrong')).rejects.toThrow('password authentication failed');
    const { output } = await started.exec(['sh', '-c', 'cat /proc/1/comm; id --user postgres; echo $PG_MAJOR $PGDATA']);
    expect(output.trim().split('\n')).toEqual(['postgres', '999', '15 /var/lib/postgresql/data']);
  });
});

describe.skipIf(noDisk)(title('a file system on a loop device', noDisk), () => {
  test('carries the data of a container, and is gone afterwards', async () => {
    let path: string;
    {
      await using disk = await btrfs({ sizeMiB: 512 });
      ({ path } = disk);
      const data = join(disk.path, 'data');
      await mkdir(data);
      const target = images['postgres-15'].dataDirectory ?? '';
      await using started = await (await container()).withBindMounts([{ source: data, target }]).start();

      await ask(started, 'CREATE TABLE t AS SELECT 42 AS x');
      expect(await ask(started, 'SELECT x FROM t')).toBe(42);
      expect((await stat(join(data, 'PG_VERSION'))).uid).toBe(999);
      expect(await readFile('/proc/self/mounts', 'utf8')).toContain(` ${path} btrfs `);
    }
    await expect(stat(path)).rejects.toThrow('ENOENT');
    expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(path);
  });
});
