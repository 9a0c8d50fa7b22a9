import { access, mkdir, readdir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../src/model/id.ts';
import type { Difference, Manifest } from '../../src/model/manifest.ts';
import { verifyBackup } from '../../src/restore/verify.ts';
import type { Twin } from '../../src/runtimes/runtime.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { type Bench, makeBench } from '../support/postgres.ts';

const never = new AbortController().signal;

describe('verify of a PostgreSQL copy', () => {
  let server: Embedded;
  let bench: Bench;
  let manifest: Manifest;
  beforeAll(async () => {
    server = await startEmbedded({
      databases: ['shop'],
      tablespaces: ['elsewhere'],
      settings: { archive_mode: 'on', archive_command: 'mkdir -p ../archive && cp %p ../archive/%f' },
    });
    await server.query(
      `CREATE TABLE prices AS SELECT g AS id, g * 10 AS cents FROM generate_series(1, 5000) g; ALTER TABLE prices ADD PRIMARY KEY (id);
       CREATE TABLE placed (id int) TABLESPACE elsewhere; INSERT INTO placed SELECT generate_series(1, 1000);
       CREATE SEQUENCE numbers; SELECT setval('numbers', 500); CREATE ROLE clerk LOGIN; CREATE VIEW dear AS SELECT * FROM prices WHERE cents > 100`,
      [],
      'shop',
    );
    bench = await makeBench(server);
    manifest = await bench.backup();
  });
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** Restores into a twin, lets `change` at it as its superuser, and compares. */
  async function compareAfter(change: string, look?: (twin: Twin) => Promise<void>): Promise<readonly Difference[]> {
    const [source] = manifest.sources;
    if (!source) throw new Error('the manifest has no source');
    const engine = await bench.world.engine(source.engine);
    const open = await bench.repository.open(manifest.id);
    await using twin = await (await bench.world.runtime('host')).twin(source.definition, newId());
    const login = await engine.restore(source, open, twin);
    const client = new pg.Client({ host: twin.scratch, user: login.user, database: 'shop' });
    await client.connect();
    await client.query(change);
    await client.end();
    await look?.(twin);
    return await Array.fromAsync(engine.compare(twin, login, source, open));
  }

  test.each([
    [
      'a flipped row',
      'UPDATE prices SET cents = cents + 1 WHERE id = 4321',
      'table',
      'shop.public.prices',
      'has 5,000 rows as at the cut, but their content differs',
    ],
    [
      'a missing row',
      'DELETE FROM prices WHERE id = 1',
      'table',
      'shop.public.prices',
      'has 4,999 rows restored, 5,000 at the cut',
    ],
    [
      'a sequence set back',
      "SELECT setval('numbers', 499)",
      'sequence',
      'shop.public.numbers',
      /stands at 499; at the cut it stood at 500/,
    ],
    ['a role that may do more', 'ALTER ROLE clerk CREATEDB', 'role', 'clerk', /CREATEDB/],
    ['a missing view', 'DROP VIEW dear', 'view', 'shop.public.dear', 'is missing from the restored copy'],
    [
      'a missing index',
      'ALTER TABLE prices DROP CONSTRAINT prices_pkey',
      'index',
      'shop.public.prices_pkey',
      'is missing from the restored copy',
    ],
  ])('START-7 %s in the restored copy is found and named', async (_, change, kind, name, text) => {
    const differences = await compareAfter(change);
    expect(differences).toContainEqual({
      source: 'pg',
      kind,
      name,
      text: typeof text === 'string' ? text : expect.stringMatching(text),
    });
  });

  test('START-7 the restored server is quarantined and its files lie away from the source', async () => {
    const archive = join(server.folder, 'archive');
    await mkdir(archive, { recursive: true });
    const differences = await compareAfter('CHECKPOINT', async (twin) => {
      const client = new pg.Client({ host: twin.scratch, user: 'postgres', database: 'shop' });
      await client.connect();
      const settings = Object.fromEntries(
        (await client.query<{ name: string; setting: string }>('SELECT name, setting FROM pg_settings')).rows.map(
          (it) => [it.name, it.setting],
        ),
      );
      expect(settings).toMatchObject({
        archive_mode: 'off',
        listen_addresses: '',
        primary_conninfo: '',
        max_logical_replication_workers: '0',
        shared_preload_libraries: '',
      });
      await client.query('SELECT pg_switch_wal()');
      const { rows } = await client.query<{ path: string }>(
        "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('placed') AS path",
      );
      await client.end();
      const placed = await realpath(rows[0]?.path ?? '');
      expect(placed.startsWith(await realpath(twin.root))).toBe(true);
      for (const link of await readdir(join(twin.root, 'pg_tblspc')))
        expect(await readlink(join(twin.root, 'pg_tblspc', link))).not.toContain(server.folder);
    });
    expect(differences).toEqual([]);
    // A restored server that archived would write the log of its own, second timeline.
    expect((await readdir(archive)).filter((it) => it.startsWith('00000002'))).toEqual([]);
  });

  test('START-7 the level verified rises only by a verification, and nothing of the twin is left', async () => {
    const line = async () => (await Array.fromAsync(bench.repository.list())).find((it) => it.id === manifest.id);
    expect((await line())?.verification).toBeUndefined();
    for await (const damage of bench.repository.check(manifest.id, never)) expect(damage).toBeUndefined();
    expect((await line())?.verification).toBeUndefined();
    const verification = await verifyBackup(bench.world, bench.repository, manifest.id, never);
    expect(verification).toMatchObject({
      good: true,
      level: 'application',
      differences: [],
      compared: { tables: expect.any(Number), rows: 6000 },
    });
    expect((await line())?.verification).toMatchObject({ good: true });
    expect(await readdir(bench.path('scratch'))).toEqual([]);
  });

  test('START-7 works when the source is gone from its folder, and says so when its programs are gone', async () => {
    const [source] = manifest.sources;
    if (!source) throw new Error('the manifest has no source');
    await access(join(String(source.definition.programs), 'postgres'));
    const runtime = await bench.world.runtime('host');
    await expect(runtime.twin({ ...source.definition, programs: '/nowhere/bin' }, newId())).rejects.toMatchObject({
      code: 'restore-failed',
      message: expect.stringContaining('/nowhere/bin'),
    });
  });
});
