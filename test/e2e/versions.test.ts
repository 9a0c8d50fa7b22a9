import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { btrfs, canMount, type Disk } from '../environment/disks.ts';
import { type ImageName, images, tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { type Server, startServer } from '../support/containers.ts';
import { startLedger } from '../support/ledger.ts';
import { ask } from '../support/psql.ts';

/** `npm run test:matrix` names all of them; one is enough every day. */
const VERSIONS = (process.env.STILLPOINT_TEST_VERSIONS ?? '15').split(',');

const isImage = (name: string): name is ImageName => name in images;

for (const version of VERSIONS) {
  const name = `postgres-${version}`;
  if (!isImage(name)) throw new Error(`there is no image ${name}`);
  const found = await tryImage(name);
  const noDisk = found.ok ? await canMount('btrfs') : undefined;
  const why = found.ok ? noDisk : found.reason;

  describe.skipIf(why !== undefined)(
    `PostgreSQL ${version} in Docker${why === undefined ? '' : ` (skipped: ${why})`}`,
    () => {
      let disk: Disk;
      let server: Server;
      let folder: Awaited<ReturnType<typeof makeFolder>>;
      const docker = new Docker();
      const run = (...args: string[]) =>
        stillpoint(args, { env: { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch') } });
      const good = async (...args: string[]) => {
        const done = await run(...args);
        expect(done.code, `${args.join(' ')}: ${done.stderr}`).toBe(0);
        return done;
      };

      beforeAll(async () => {
        disk = await btrfs({ sizeMiB: 1024 });
        folder = await makeFolder();
        const { dataDirectory = '' } = images[name];
        // From 18 on the volume is the folder above the data directory.
        const target = Number(version) < 18 ? dataDirectory : '/var/lib/postgresql';
        server = await startServer({
          image: name,
          binds: [{ source: disk.path, target }],
          environment: { POSTGRES_DB: 'shop' },
        });
        await server.query(
          `CREATE TABLE orders AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 20000) g; ALTER TABLE orders ADD PRIMARY KEY (id);
         CREATE SEQUENCE numbers; SELECT nextval('numbers'); CREATE ROLE clerk LOGIN; GRANT SELECT ON orders TO clerk;
         CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; CREATE VIEW recent AS SELECT * FROM orders WHERE id > 19000`,
          'shop',
        );
      });
      afterAll(async () => {
        await server?.[Symbol.asyncDispose]();
        await folder?.[Symbol.asyncDispose]();
        await disk?.[Symbol.asyncDispose]();
      });

      test(`DOCK-10 PostgreSQL ${version}: detected with its version, storage and best method`, async () => {
        const { stdout } = await good('detect');
        expect(stdout).toMatch(
          new RegExp(`docker:${server.name}\\s+PostgreSQL ${version}\\.\\S+ +\\S+ +btrfs +snapshot +application`),
        );
      });

      test.each(['dump', 'copy', 'snapshot'])(
        `DOCK-10 PostgreSQL ${version}: %s under load, verified exactly in a twin of the same image`,
        async (method) => {
          await using ledger = await startLedger(server.login('shop'), { table: `ledger_${method}` });
          await good('backup', `docker:${server.name}`, '--to', folder.in(method), '--method', method);
          await ledger.progress(2_000);
          await good('verify', 'latest', '--from', folder.in(method));
        },
      );

      test.each(['dump', 'copy', 'snapshot'])(
        `DOCK-10 PostgreSQL ${version}: the %s comes back as a container of its own`,
        async (method) => {
          const prefix = `again-${method}-${version}-`;
          const restored = `${prefix}${server.name}`;
          try {
            await good('restore', 'latest', '--from', folder.in(method), '--as', prefix, '--yes');
            const rows = await ask(restored, 'shop', 'SELECT count(*) FROM orders');
            expect(rows).toBe('20000');
          } finally {
            await docker
              .getContainer(restored)
              .remove({ force: true, v: true })
              .catch(() => undefined);
          }
        },
      );
    },
  );
}
