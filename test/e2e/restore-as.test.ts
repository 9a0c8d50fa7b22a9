import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { PASSWORD, type Server, startServer } from '../support/containers.ts';
import { ask } from '../support/psql.ts';

const found = await tryImage('postgres-15');
const title = (text: string): string => (found.ok ? text : `${text} (skipped: ${found.reason})`);

describe.skipIf(!found.ok)(title('restore --as'), () => {
  let server: Server;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let gone = '';
  const docker = new Docker();
  const run = (...args: string[]) =>
    stillpoint(args, { env: { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch') } });
  const remove = async (name: string): Promise<void> => {
    await docker.getContainer(name).remove({ force: true, v: true });
    await docker.getVolume(`${name}-data`).remove();
  };

  beforeAll(async () => {
    folder = await makeFolder();
    server = await startServer({ environment: { POSTGRES_DB: 'shop' } });
    gone = server.name;
    await server.run('install', '-d', '-o', 'postgres', '-m', '700', '/srv/fast');
    await server.query("CREATE TABLESPACE fast LOCATION '/srv/fast'", 'shop');
    await server.query(
      "CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g; CREATE TABLE quick TABLESPACE fast AS SELECT 42 AS answer; CREATE ROLE clerk LOGIN PASSWORD 'clerk'; GRANT SELECT ON orders TO clerk",
      'shop',
    );
    for (const method of ['copy', 'dump']) {
      const done = await run('backup', `docker:${server.name}`, '--to', folder.in(method), '--method', method);
      expect(done.code, done.stderr).toBe(0);
    }
    // From here on the source is gone, as after `docker rm`.
    await server[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await folder?.[Symbol.asyncDispose]();
  });

  test.each(['copy', 'dump'])(
    'DOCK-9 --as brings a %s back after docker rm: same image, own storage, no published port, quarantined',
    { timeout: 180_000 },
    async (method) => {
      const done = await run('restore', 'latest', '--from', folder.in(method), '--as', `${method}-`);
      const name = `${method}-${gone}`;
      try {
        expect(done.code, done.stderr).toBe(0);
        expect(await ask(name, 'shop', 'SELECT count(*) FROM orders')).toBe('1000');
        expect(await ask(name, 'shop', 'SELECT answer FROM quick')).toBe('42');
        // Its tablespace lies in its own volume.
        expect(
          await ask(name, 'shop', "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'"),
        ).not.toMatch(/^\/srv/);
        expect(
          await ask(
            name,
            'shop',
            "SELECT current_setting('archive_mode') || current_setting('max_logical_replication_workers')",
          ),
        ).toBe('off0');
        expect(await ask(name, 'shop', "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'clerk'")).toBe('t');
        const { Config, HostConfig, Image } = await docker.getContainer(name).inspect();
        expect(Image).toBe((await docker.getImage('stillpoint-test/postgres:15').inspect()).Id);
        expect(HostConfig.PortBindings ?? {}).toEqual({});
        expect(JSON.stringify(Config)).not.toContain(PASSWORD);
        expect(done.stdout + done.stderr).not.toContain(PASSWORD);
        // It starts by itself again, as any container of that image.
        await docker.getContainer(name).restart();
        expect(await ask(name, 'shop', 'SELECT count(*) FROM orders')).toBe('1000');

        const again = await run('restore', 'latest', '--from', folder.in(method), '--as', `${method}-`);
        expect(again.code, again.stderr).toBe(4);
        expect(again.stderr).toMatch(/There is a container .* already/);
        expect(await ask(name, 'shop', 'SELECT count(*) FROM orders')).toBe('1000');
      } finally {
        await remove(name);
      }
    },
  );

  test('DOCK-9 a restore that fails leaves no container and no volume', async () => {
    const failed = await run('restore', 'latest', '--from', folder.in('copy'), '--as', 'not/a/name-');
    expect(failed.code).not.toBe(0);
    // Others use this Docker, too: what is of this source is counted.
    const of = { label: [`stillpoint.source=${gone}`] };
    expect(await docker.listContainers({ all: true, filters: of })).toEqual([]);
    expect((await docker.listVolumes({ filters: of })).Volumes).toEqual([]);
    const named = (await docker.listVolumes()).Volumes.filter((it) => it.Name.includes(gone));
    expect(named).toEqual([]);
  });
});
