import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import type { World } from '../../src/backup/world.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { Inside } from '../../src/runtimes/docker/inside.ts';
import { type ImageName, tryImage } from '../environment/images.ts';
import { changed, makeBench, type Options, type Server, startServer } from '../support/containers.ts';
import { fillWithEverything } from '../support/schema.ts';

const [full, busybox] = [await tryImage('postgres-15'), await tryImage('busybox-postgres-15')];
const reason =
  process.getuid?.() === 0 ? (full.ok ? (busybox.ok ? undefined : busybox.reason) : full.reason) : 'not root';

/** Its files are read by its own programs, as for who may not look into it from outside. */
const fromInside =
  (server: Server) =>
  (world: World): World => ({
    ...world,
    async runtime(name) {
      const runtime = await world.runtime(name);
      const find: typeof runtime.find = async (ref) => {
        const place = {
          docker: new Docker(),
          id: server.container.getId(),
          name: server.name,
          shell: true,
          init: false,
        };
        return changed(await runtime.find(ref), { files: (root: string) => new Inside(place).files(root) });
      };
      return changed(runtime, { find });
    },
  });

/** The disk of the repository is slow, so that much happens while one file is read. */
const slowly = (repository: Repository): Repository =>
  changed(repository, {
    async begin(job, id) {
      const incoming = await repository.begin(job, id);
      const put: typeof incoming.put = (artifact, plain, progress) => {
        if (artifact !== 'pg.base.tar') return incoming.put(artifact, plain, progress);
        async function* slow(): AsyncGenerator<Buffer> {
          let read = 0;
          for await (const chunk of plain) {
            yield chunk as Buffer;
            read += (chunk as Buffer).length;
            if (read > 1 << 20) await sleep(25);
            if (read > 1 << 20) read = 0;
          }
        }
        const through = Readable.from(slow(), { objectMode: false });
        plain.once('error', (cause) => through.destroy(cause));
        return incoming.put(artifact, through, progress);
      };
      return changed(incoming, { put });
    },
  });

const TABLES = `
  CREATE TABLE shrinking AS SELECT g AS id, repeat(md5(g::text), 8) AS text FROM generate_series(1, 60000) g;
  CREATE TABLE growing AS SELECT g AS id, repeat(md5(g::text), 8) AS text FROM generate_series(1, 20000) g;
  CREATE TABLE emptied AS SELECT g AS id FROM generate_series(1, 20000) g;
  CREATE TABLE rewritten AS SELECT g AS id, repeat(md5(g::text), 4) AS text FROM generate_series(1, 20000) g; CREATE INDEX ON rewritten (id);
  CREATE TABLE kept AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 5000) g`;

/** Files vanish, are cut, are replaced by new ones, and grow, again and again. Returns how often. */
async function trouble(server: Server, over: AbortSignal): Promise<number> {
  const client = new pg.Client(server.login());
  client.on('error', () => undefined);
  await client.connect();
  let rounds = 0;
  for (; !over.aborted; rounds++) {
    await client.query(
      `CREATE TABLE passing_${rounds} AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 5000) g`,
    );
    if (rounds > 0) await client.query(`DROP TABLE passing_${rounds - 1}`);
    await client.query('TRUNCATE emptied');
    await client.query(`INSERT INTO emptied SELECT generate_series(1, ${rounds})`);
    await client.query('VACUUM FULL rewritten');
    await client.query(`DELETE FROM shrinking WHERE id > ${Math.max(0, 55_000 - rounds * 5_000)}`);
    await client.query('VACUUM shrinking');
    await client.query("INSERT INTO growing SELECT g, repeat('x', 250) FROM generate_series(1, 8000) g");
    // What was dropped is removed from the disk only now.
    await client.query('CHECKPOINT');
  }
  await client.end();
  return rounds;
}

interface Way {
  readonly image: ImageName;
  readonly options: Options;
  readonly inside: boolean;
}

const WAYS: Readonly<Record<string, Way>> = {
  'by the path of its volume': { image: 'postgres-15', options: {}, inside: false },
  "from inside by GNU's tar, the data in the container's own layer": {
    image: 'postgres-15',
    options: { environment: { PGDATA: '/var/lib/postgresql/layer' } },
    inside: true,
  },
  "from inside by busybox's tar, the data in the container's own layer": {
    image: 'busybox-postgres-15',
    options: { environment: { PGDATA: '/var/lib/postgresql/layer' } },
    inside: true,
  },
};

describe.skipIf(reason)(`PostgreSQL copy of a container${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test.each(Object.entries(WAYS))(
    'DOCK-6 DOCK-8 %s: DROP TABLE, TRUNCATE, VACUUM FULL, files that shrink and grow while they are copied; exact to the row',
    { timeout: 240_000 },
    async (_, { image, options, inside }) => {
      await using server = await startServer({ image, ...options });
      await using bench = await makeBench();
      const { Mounts } = await new Docker().getContainer(server.name).inspect();
      const holds = Mounts.some((it) => (options.environment?.PGDATA ?? '').startsWith(it.Destination));
      expect(holds).toBe(false);
      await server.query(TABLES);
      const over = new AbortController();
      let troubled: Promise<number> | undefined;
      const manifest = await bench.backup(`docker:${server.name}`, {
        method: 'copy',
        through: slowly,
        onEvent: (event) => {
          if (event.event === 'step' && event.step === 'backup-started') {
            troubled = trouble(server, over.signal);
            troubled.catch(() => undefined);
          }
          if (event.event === 'stored' && event.artifact === 'pg.base.tar') over.abort();
        },
        ...(inside ? { change: fromInside(server) } : {}),
      });
      expect(await troubled).toBeGreaterThanOrEqual(3);
      const verification = await bench.verify(manifest.id);
      expect(verification.differences).toEqual([]);
      expect(verification.compared.rows).toBeGreaterThan(45_000);
    },
  );

  test('DOCK-8 every kind of object comes back with a copy, and one changed row of it is found by name', {
    timeout: 180_000,
  }, async () => {
    await using server = await startServer();
    await using bench = await makeBench();
    await fillWithEverything(server);
    const manifest = await bench.backup(`docker:${server.name}`, { method: 'copy' });
    const [source] = manifest.sources;
    if (!source) throw new Error('no source');
    const engine = await bench.world.engine('postgresql');
    await using open = await bench.repository.open(manifest.id);
    await bench.restored(manifest, async (query, twin, login) => {
      await query('UPDATE customers SET amount = amount + 1 WHERE id = 7', 'shop');
      const found = await Array.fromAsync(engine.compare(twin, login, source, open));
      expect(found.map((it) => `${it.kind} ${it.name}`)).toEqual(['table shop.public.customers']);
    });
  });
});
