import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gather } from '../../src/backup/gather.ts';
import { recover } from '../../src/hold/recover.ts';
import type { Offer } from '../../src/model/facts.ts';
import type { Manifest } from '../../src/model/manifest.ts';
import { parseRef } from '../../src/model/ref.ts';
import { btrfs, canMount, type Disk } from '../environment/disks.ts';
import { tryImage } from '../environment/images.ts';
import {
  type BackupOptions,
  type Bench,
  changed,
  makeBench,
  PASSWORD,
  type Server,
  startServer,
} from '../support/containers.ts';
import { startLedger } from '../support/ledger.ts';
import { ask } from '../support/psql.ts';
import { fillWithEverything } from '../support/schema.ts';

const found = await tryImage('postgres-15');
const why = found.ok ? await canMount('btrfs') : found.reason;

/** A role that may read everything and lock nothing. */
const READER = 'onlooker';
const ROLE = `
  CREATE ROLE ${READER} LOGIN BYPASSRLS PASSWORD '${PASSWORD}'; GRANT pg_read_all_data, pg_read_all_settings, pg_read_all_stats TO ${READER};
  ALTER ROLE ${READER} SET lo_compat_privileges = on`;

async function offersOf({ world }: Bench, ref: string): Promise<readonly Offer[]> {
  const job = { job: 'pg', coordinate: true, holdLimit: 10_000, onOverrun: 'fail' } as const;
  const { sources } = await gather(world, { ...job, sources: [{ name: 'pg', ref: parseRef(ref) }] });
  return sources[0]?.offers ?? [];
}

/** Does something before each stream of a backup is stored. */
const beforeEachPut =
  (act: (artifact: string) => Promise<void>): NonNullable<BackupOptions['through']> =>
  (repository) =>
    changed(repository, {
      async begin(job, id) {
        const incoming = await repository.begin(job, id);
        const put: typeof incoming.put = async (artifact, ...more) => {
          await act(artifact);
          return incoming.put(artifact, ...more);
        };
        return changed(incoming, { put });
      },
    });

describe.skipIf(why)(`DOCK-7: PostgreSQL in Docker by snapshot${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let disk: Disk;
  let server: Server;
  let bench: Bench;
  const ref = (): string => `docker:${server.name}`;
  const snapshots = async (): Promise<readonly string[]> =>
    readdir(join(disk.path, '.stillpoint')).catch((): string[] => []);
  const codes = (manifest: Manifest): readonly string[] => manifest.sources[0]?.reasons.map((it) => it.code) ?? [];

  beforeAll(async () => {
    disk = await btrfs({ sizeMiB: 1536 });
    // Data, log and a tablespace are three folders of one subvolume, bound into the container.
    await execa('btrfs', ['subvolume', 'create', join(disk.path, 'pg')]);
    server = await startServer({
      binds: [{ source: join(disk.path, 'pg'), target: '/volume' }],
      environment: { PGDATA: '/volume/data', POSTGRES_INITDB_WALDIR: '/volume/log' },
    });
    await server.run('install', '-d', '-o', 'postgres', '/volume/fast');
    await fillWithEverything(server, { tablespace: '/volume/fast' });
    await server.query(ROLE);
    bench = await makeBench();
  }, 240_000);
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
  });

  test.each(['on', 'off'])(
    'DOCK-7 held under load, synchronous_commit %s: exactly the rows of the cut, and the snapshot is removed',
    async (durability) => {
      const table = `ledger_${durability}`;
      await server.query(`ALTER DATABASE shop SET synchronous_commit = ${durability}`);
      await using ledger = await startLedger(server.login('shop'), { table });
      await ledger.progress(5_000);
      let beforeHold: readonly number[] = [];
      let atCut: readonly number[] = [];
      let during: readonly string[] = [];
      const manifest = await bench.backup(ref(), {
        method: 'snapshot',
        async onEvent(event) {
          if (event.event === 'holding') beforeHold = ledger.acknowledged();
          if (event.event === 'resumed') atCut = ledger.acknowledged();
          if (event.event === 'step' && event.step === 'fingerprint') during = await snapshots();
        },
      });
      expect(during).toEqual([`${manifest.id}-1`]);
      expect(await snapshots()).toEqual([]);
      await ledger.progress(2_000);
      expect(codes(manifest)).toEqual(expect.arrayContaining(['held', 'exact']));
      expect(manifest.sources[0]?.level).toBe('application');

      const verification = await bench.verify(manifest.id);
      expect(verification.differences).toEqual([]);
      await bench.restored(manifest, async (query) => {
        const rows = await query(`SELECT writer, count(*) AS rows, max(n) AS last FROM ${table} GROUP BY 1`, 'shop');
        expect(rows).toHaveLength(beforeHold.length);
        for (const row of rows) {
          const [writer, last] = [Number(row.writer), Number(row.last)];
          expect(Number(row.rows)).toBe(last);
          expect(last).toBeGreaterThanOrEqual(beforeHold[writer] ?? 0);
          expect(last).toBeLessThanOrEqual((atCut[writer] ?? 0) + 1);
        }
      });
    },
  );

  test('DOCK-7 the manifest says what was cut; data, log and tablespace of one subvolume are one snapshot', async () => {
    const manifest = await bench.backup(ref(), { method: 'snapshot' });
    const [source] = manifest.sources;
    expect(manifest.plan.cuts).toEqual([
      { snapshotter: 'btrfs', volumes: { pg: [0, 1, 2].map(() => expect.objectContaining({ fileSystem: 'btrfs' })) } },
    ]);
    expect(source?.artifacts.map((it) => it.name.replace(/\d+/, 'N'))).toEqual([
      'pg.base.tar',
      'pg.wal.tar',
      'pg.tablespace-N.tar',
      'pg.fingerprint.ndjson',
    ]);
    expect(source?.position.text).toMatch(/^transaction snapshot \d+:\d+:$/);
    expect(source?.excluded).toContainEqual({
      code: 'unlogged',
      text: 'shop.public.scratch is unlogged: it is empty after a restore',
    });
    const [left] = await server.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'stillpoint/%'",
    );
    expect(left).toEqual({ n: 0 });
  });

  test('DOCK-7 a quiet server whose tables may not be locked: unheld, and proven by its transaction snapshot', async () => {
    await using onlooker = await makeBench(READER);
    const manifest = await onlooker.backup(ref(), { method: 'snapshot' });
    expect(manifest.window?.held).toEqual({});
    expect(codes(manifest)).toEqual(expect.arrayContaining(['unheld', 'unholdable', 'exact']));
    expect(onlooker.events).toContainEqual(
      expect.objectContaining({
        step: 'checkpoint',
        text: expect.stringMatching(/no checkpoint of our own.*(superuser|pg_checkpoint)/),
      }),
    );
    expect((await onlooker.verify(manifest.id)).differences).toEqual([]);
  });

  test('DOCK-7 a busy server whose tables may not be locked: everything acknowledged before, and nothing half done', async () => {
    await using onlooker = await makeBench(READER);
    await using ledger = await startLedger(server.login('shop'), { table: 'ledger_busy', pause: 0 });
    await ledger.progress(5_000);
    let before: readonly number[] = [];
    let after: readonly number[] = [];
    const manifest = await onlooker.backup(ref(), {
      method: 'snapshot',
      onEvent(event) {
        if (event.event === 'step' && event.step === 'window-sessions') before = ledger.acknowledged();
        if (event.event === 'cut') after = ledger.acknowledged();
      },
    });
    expect(codes(manifest)).toEqual(expect.arrayContaining(['unheld', 'interval', 'not-compared']));
    const compared = manifest.sources[0]?.reasons.find((it) => it.code === 'not-compared');
    expect(compared?.text).toMatch(/: shop\.public\.ledger_busy$/);
    expect(await onlooker.verify(manifest.id)).toMatchObject({ differences: [], compared: { unsettled: 1 } });
    expect(manifest.sources[0]?.position.text).toMatch(/^every commit up to \S+, cut before \S+$/);
    await onlooker.restored(manifest, async (query) => {
      for (const row of await query(
        'SELECT writer, count(*) AS rows, max(n) AS last FROM ledger_busy GROUP BY 1',
        'shop',
      )) {
        const [writer, last] = [Number(row.writer), Number(row.last)];
        expect(Number(row.rows)).toBe(last);
        expect(last).toBeGreaterThanOrEqual(before[writer] ?? 0);
        expect(last).toBeLessThanOrEqual((after[writer] ?? 0) + 1);
      }
    });
  });

  test('DOCK-7 held, but transactions slip through: no backup, or by policy one that says from when to when', async () => {
    const over = new AbortController();
    const client = new pg.Client(server.login('shop'));
    await client.connect();
    // It ends a transaction each time and needs no lock on any table.
    const slipping = (async () => {
      while (!over.signal.aborted) await client.query('SELECT txid_current()');
    })();
    try {
      await expect(bench.backup(ref(), { method: 'snapshot' })).rejects.toMatchObject({ code: 'hold-lost', exit: 7 });
      expect(await snapshots()).toEqual([]);
      const manifest = await bench.backup(ref(), { method: 'snapshot', onOverrun: 'downgrade' });
      expect(codes(manifest)).toEqual(expect.arrayContaining(['hold-unproven', 'transactions-moved', 'interval']));
      expect((await bench.verify(manifest.id)).differences).toEqual([]);
    } finally {
      over.abort();
      await slipping;
      await client.end();
    }
  });

  test.each(['snapshot', 'copy'] as const)(
    'DOCK-7 DOCK-6 by %s: a table that is truncated or dropped after the cut is whole in the backup, and named as not compared',
    async (method) => {
      await server.query('CREATE TABLE emptied AS SELECT 1 AS a; CREATE TABLE dropped (b int)', 'shop');
      const manifest = await bench.backup(ref(), {
        method,
        through: beforeEachPut(async (artifact) => {
          if (artifact.endsWith('.fingerprint.ndjson'))
            await server.query('TRUNCATE emptied; DROP TABLE dropped', 'shop');
        }),
      });
      const named = manifest.sources[0]?.reasons.find((it) => it.code === 'not-compared')?.text;
      expect(named).toMatch(/: shop\.public\.dropped, shop\.public\.emptied$/);
      const { differences, compared } = await bench.verify(manifest.id);
      expect(differences).toEqual([]);
      expect(compared.unsettled).toBe(2);
      await bench.restored(manifest, async (query) => {
        expect(await query('SELECT count(*) AS rows FROM emptied', 'shop')).toEqual([{ rows: '1' }]);
        expect(await query('SELECT count(*) AS rows FROM dropped', 'shop')).toEqual([{ rows: '0' }]);
      });
      await server.query('DROP TABLE emptied', 'shop');
    },
  );

  test('DOCK-7 recover beside a run that stores from its snapshot leaves that snapshot alone', async () => {
    let looked = 0;
    const manifest = await bench.backup(ref(), {
      method: 'snapshot',
      through: beforeEachPut(async () => {
        await recover(bench.world, { repositories: [], sources: [] });
        looked++;
        expect(await snapshots()).toHaveLength(1);
      }),
    });
    expect(looked).toBeGreaterThan(2);
    expect((await bench.verify(manifest.id)).good).toBe(true);
  });

  test('DOCK-7 a nested subvolume in the data is seen and refused, and what could be done instead; one beside it is not in the way', async () => {
    await execa('btrfs', ['subvolume', 'create', join(disk.path, 'pg', 'beside')]);
    expect((await offersOf(bench, ref())).find((it) => it.method === 'snapshot')).toMatchObject({ possible: true });
    const nested = join(disk.path, 'pg', 'data', 'nested');
    await execa('btrfs', ['subvolume', 'create', nested]);
    const [snapshot, copy] = await offersOf(bench, ref());
    expect(snapshot).toMatchObject({ possible: false, reasons: [{ code: 'nested-subvolume' }] });
    expect(snapshot?.reasons[0]?.text).toContain('/pg/data/nested is a subvolume of its own below the data');
    expect(copy).toMatchObject({ method: 'copy', possible: true });
    await expect(bench.backup(ref(), { method: 'snapshot' })).rejects.toMatchObject({
      code: 'method-impossible',
      exit: 4,
      message: expect.stringContaining('/pg/data/nested'),
    });
    await execa('btrfs', ['subvolume', 'delete', nested]);
  });

  test('DOCK-7 a tablespace on another volume is seen and refused', async () => {
    await server.run('install', '-d', '-o', 'postgres', '/srv/far');
    await server.query("CREATE TABLESPACE far LOCATION '/srv/far'");
    const [snapshot, copy] = await offersOf(bench, ref());
    expect(snapshot).toMatchObject({ possible: false, reasons: [{ text: expect.stringMatching(/^\/srv\/far /) }] });
    expect(copy).toMatchObject({ possible: true });
    await server.query('DROP TABLESPACE far');
  });

  test('DOCK-7 a tablespace that came after the plan makes no backup', async () => {
    await server.run('install', '-d', '-o', 'postgres', '/volume/late');
    const running = bench.backup(ref(), {
      method: 'snapshot',
      through: (repository) =>
        changed(repository, {
          async begin(job, id) {
            await server.query("CREATE TABLESPACE late LOCATION '/volume/late'");
            return repository.begin(job, id);
          },
        }),
    });
    await expect(running).rejects.toMatchObject({
      code: 'source-changed',
      message: expect.stringContaining('/volume/late'),
    });
    await server.query('DROP TABLESPACE late');
    expect(await snapshots()).toEqual([]);
  });

  test('DOCK-7 kept: named in the manifest, nobody’s leftover, and what an instant rollback goes back to', async () => {
    await server.query('CREATE TABLE kept AS SELECT 1 AS good', 'shop');
    const manifest = await bench.backup(ref(), { method: 'snapshot', keepSnapshot: true });
    const kept = join(disk.path, '.stillpoint', `kept-${manifest.id}-1`);
    expect(manifest.snapshots).toEqual([kept]);
    await recover(bench.world, { repositories: [], sources: [], run: manifest.id });
    expect(await snapshots()).toEqual([basename(kept)]);
    await server.query('UPDATE kept SET good = 0', 'shop');

    // As docs/snapshots.md says.
    await execa('docker', ['stop', server.name]);
    await execa('mv', [join(disk.path, 'pg'), join(disk.path, 'pg.bad')]);
    await execa('btrfs', ['subvolume', 'snapshot', kept, join(disk.path, 'pg')]);
    await execa('docker', ['start', server.name]);
    expect(await ask(server.name, 'shop', 'SELECT good FROM kept')).toBe('1');
  });
});
