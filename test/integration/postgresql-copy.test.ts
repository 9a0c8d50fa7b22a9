import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { restoreFiles } from '../../src/restore/files.ts';
import { verifyBackup } from '../../src/restore/verify.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { startLedger } from '../support/ledger.ts';
import { type Bench, makeBench } from '../support/postgres.ts';
import { startRestored } from '../support/restored.ts';

const never = new AbortController().signal;

describe('PostgreSQL copy on the host', () => {
  let server: Embedded;
  let bench: Bench;
  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop', 'second'], tablespaces: ['elsewhere'] });
    await server.query(
      `CREATE TABLE filler AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 50000) g;
       CREATE TABLE placed (id int) TABLESPACE elsewhere; INSERT INTO placed SELECT generate_series(1, 1000);
       CREATE UNLOGGED TABLE scratch AS SELECT 1 AS gone; CREATE SEQUENCE numbers CACHE 5; SELECT nextval('numbers');
       CREATE TABLE "odd ""name" (r int, "select" text); INSERT INTO "odd ""name" VALUES (1, 'x'), (2, NULL);
       CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; CREATE ROLE app LOGIN; GRANT SELECT ON filler TO app;
       SELECT lo_from_bytea(0, 'a large object')`,
      [],
      'shop',
    );
    bench = await makeBench(server);
  });
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test.each(['on', 'off'])(
    'START-4 under load, synchronous_commit %s: the restored server holds exactly the rows of the point, while the source has moved on',
    async (durability) => {
      await server.query(`ALTER DATABASE shop SET synchronous_commit = ${durability}`);
      await using ledger = await startLedger(server.login('shop'), { table: `ledger_${durability}` });
      let beforeHold: readonly number[] = [];
      let atPoint: readonly number[] = [];
      const manifest = await bench.backup({
        onEvent: (event) => {
          if (event.event === 'holding') beforeHold = ledger.acknowledged();
          if (event.event === 'resumed') atPoint = ledger.acknowledged();
        },
      });
      await ledger.progress(2_000);

      const verification = await verifyBackup(bench.world, bench.repository, manifest.id, never);
      expect(verification.differences).toEqual([]);
      expect(verification.good).toBe(true);

      const [{ folder = '' } = {}] = await restoreFiles(
        bench.world,
        bench.repository,
        manifest.id,
        [],
        bench.path(`files-${durability}`),
        never,
      );
      await using restored = await startRestored(folder, server.binaries);
      const rows = await restored.query<{ writer: number; rows: number; last: number }>(
        `SELECT writer, count(*)::int AS rows, max(n) AS last FROM ledger_${durability} GROUP BY 1 ORDER BY 1`,
        'shop',
      );
      const live = ledger.acknowledged();
      expect(rows).toHaveLength(beforeHold.length);
      for (const { writer, rows: count, last } of rows) {
        // No gap: everything up to the last one is there.
        expect(count).toBe(last);
        // Everything acknowledged before the hold, at most one in flight beyond what was acknowledged when writes were let go.
        expect(last).toBeGreaterThanOrEqual(beforeHold[writer] ?? 0);
        expect(last).toBeLessThanOrEqual((atPoint[writer] ?? 0) + 1);
        expect(live[writer]).toBeGreaterThan(last);
      }
    },
  );

  test('START-4 the manifest says what was captured, how it was held, and what is not in it', async () => {
    const manifest = await bench.backup();
    const [source] = manifest.sources;
    expect(source?.position.text).toMatch(
      new RegExp(`^restore point stillpoint-${manifest.id} at [0-9A-F]+/[0-9A-F]+$`),
    );
    expect(source?.reasons).toContainEqual(
      expect.objectContaining({
        code: 'held',
        text: expect.stringMatching(/held \d+ ms by pid \d+ since .*snapshot did not change/),
      }),
    );
    expect(source?.excluded).toEqual([
      { code: 'unlogged', text: 'shop.public.scratch is unlogged: it is empty after a restore' },
    ]);
    expect(source?.artifacts.map((it) => it.name.replace(/\d+/, 'N'))).toEqual([
      'pg.base.tar',
      'pg.tablespace-N.tar',
      'pg.wal.tar',
      'pg.label.tar',
      'pg.fingerprint.ndjson',
    ]);
    const left = await server.query<{ slots: number; sessions: number }>(
      "SELECT (SELECT count(*)::int FROM pg_replication_slots) AS slots, (SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'stillpoint/%') AS sessions",
    );
    expect(left).toEqual([{ slots: 0, sessions: 0 }]);
  });

  test('START-4 a backup session that dies in the middle of the copy makes no backup', async () => {
    const before = await Array.fromAsync(bench.repository.list());
    const running = bench.backup({
      onEvent: (event) => {
        if (event.event === 'step' && event.step === 'backup-started') {
          void server.query(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name LIKE 'stillpoint%'",
          );
        }
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'source-changed', exit: 7 });
    expect(await Array.fromAsync(bench.repository.list())).toEqual(before);
  });

  test('START-4 a tablespace made and dropped during the copy makes no backup: its replay would reach for the source', async () => {
    const path = join(server.folder, 'tablespace-elsewhere', 'passing');
    const running = bench.backup({
      onEvent: (event) => {
        if (event.event !== 'step' || event.step !== 'backup-started') return;
        mkdirSync(path);
        chownSync(path, server.uid, server.uid);
        void server
          .query(`CREATE TABLESPACE passing LOCATION '${path}'`)
          .then(() => server.query('DROP TABLESPACE passing'));
      },
    });
    await expect(running).rejects.toMatchObject({
      code: 'source-changed',
      message: expect.stringContaining('tablespace'),
    });
  });

  test('START-4 a writer that will not end is named, and its application is never the victim', async () => {
    const blocker = server.query(
      "BEGIN; SET application_name = 'nightly-import'; LOCK TABLE filler IN ROW EXCLUSIVE MODE; SELECT pg_sleep(12); COMMIT",
      [],
      'shop',
    );
    await expect(bench.backup({ holdLimit: 3_000 })).rejects.toMatchObject({
      code: 'hold-refused',
      message: expect.stringMatching(/nightly-import.*database shop/),
    });
    await blocker;
  });
});
