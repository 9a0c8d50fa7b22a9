import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { byHand } from '../../src/commands/by-hand.ts';
import { openSession } from '../../src/engines/mariadb/session.ts';
import { newId } from '../../src/model/id.ts';
import type { Difference, Manifest, SourceRecord } from '../../src/model/manifest.ts';
import { btrfs, canMount, type Disk } from '../environment/disks.ts';
import { image, tryImage } from '../environment/images.ts';
import {
  type MariadbBench,
  type MariadbServer,
  makeMariadbBench,
  PASSWORD,
  startMariadb,
  startMariadbLedger,
} from '../support/mariadb.ts';

const found = await tryImage('mariadb-10.11');
const why = found.ok ? await canMount('btrfs') : found.reason;

const SCHEMA = `
CREATE TABLE prices (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40), cents decimal(12,2), ratio float) ENGINE = InnoDB;
INSERT INTO prices (name, cents, ratio) SELECT CONCAT('n ', seq), seq / 7, seq / 3 FROM seq_1_to_5000;
CREATE TABLE notes (id int PRIMARY KEY, text text) ENGINE = Aria; INSERT INTO notes VALUES (1, 'as it was');
CREATE TABLE old (id int PRIMARY KEY, text text) ENGINE = MyISAM; INSERT INTO old VALUES (1, 'as it was');
CREATE TABLE large (id int PRIMARY KEY, text text) ENGINE = Aria; INSERT INTO large SELECT seq, REPEAT(SHA1(seq), 5) FROM seq_1_to_5000;
CREATE TABLE lost (id int PRIMARY KEY) ENGINE = MEMORY;
CREATE SEQUENCE numbers START 100 INCREMENT 10 CACHE 20; SELECT NEXTVAL(numbers);
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM notes;
CREATE USER ann@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.prices TO ann@'%'`;

describe.skipIf(why)(`CUT-2 MariaDB in Docker by snapshot${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let disk: Disk;
  let server: MariadbServer;
  let bench: MariadbBench;
  const snapshots = async (): Promise<readonly string[]> =>
    readdir(join(disk.path, '.stillpoint')).catch((): string[] => []);
  const gtid = async (): Promise<unknown> => (await server.query('SELECT @@gtid_binlog_pos AS at'))[0]?.at;
  const sourceOf = (manifest: Manifest): SourceRecord => {
    const [source] = manifest.sources;
    if (!source) throw new Error('the manifest has no source');
    return source;
  };

  beforeAll(async () => {
    disk = await btrfs({ sizeMiB: 2048 });
    await execa('btrfs', ['subvolume', 'create', join(disk.path, 'data')]);
    server = await startMariadb({ binds: [{ source: join(disk.path, 'data'), target: '/var/lib/mysql' }] });
    for (const statement of SCHEMA.split(/;\s/)) await server.query(statement);
    bench = await makeMariadbBench();
  }, 240_000);
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
  });

  /** Restores into a throwaway server, asks it, and compares. */
  async function restored(
    manifest: Manifest,
    sql: string,
    source = sourceOf(manifest),
  ): Promise<{
    readonly rows: readonly Record<string, unknown>[];
    readonly differences: readonly Difference[];
    /** In the folder of the database. */
    readonly files: readonly string[];
  }> {
    const engine = await bench.world.engine('mariadb');
    await using open = await bench.repository.open(manifest.id);
    await using twin = await (await bench.world.runtime('docker')).twin(source.definition, newId());
    const login = await engine.restore(source, open, twin);
    await using session = await openSession(twin, login, 'test');
    const rows = await session.query(sql);
    const files = await (await twin.files(twin.root)).names('shop');
    return { rows, files, differences: await Array.fromAsync(engine.compare(twin, login, source, open)) };
  }

  test.each([0, 1, 2])(
    'held under load, innodb_flush_log_at_trx_commit = %d: exactly the rows of the cut, and the snapshot is removed',
    async (durability) => {
      const table = `ledger_${durability}`;
      await server.query(`SET GLOBAL innodb_flush_log_at_trx_commit = ${durability}`);
      await using ledger = await startMariadbLedger(server, { table, pause: 0 });
      await ledger.progress(10_000);
      let beforeHold: readonly number[] = [];
      let atCut: readonly number[] = [];
      let during: readonly string[] = [];
      const manifest = await bench.backup(server, {
        method: 'snapshot',
        async onEvent(event) {
          if (event.event === 'holding') beforeHold = ledger.acknowledged();
          if (event.event === 'resumed') atCut = ledger.acknowledged();
          if (event.event === 'step' && event.step === 'fingerprint') during = await snapshots();
        },
      });
      expect(during).toEqual([`${manifest.id}-1`]);
      expect(await snapshots()).toEqual([]);
      await ledger.progress(10_000);
      expect(sourceOf(manifest)).toMatchObject({ level: 'application', method: 'snapshot' });
      expect(await server.query('SELECT @@GLOBAL.innodb_flush_log_at_trx_commit AS now')).toEqual([
        { now: durability },
      ]);

      const sql = `SELECT writer, COUNT(*) AS n, MAX(n) AS last FROM shop.${table} GROUP BY writer ORDER BY writer`;
      const { rows, differences } = await restored(manifest, sql);
      expect(differences).toEqual([]);
      expect(rows).toHaveLength(beforeHold.length);
      for (const row of rows) {
        const [writer, last] = [Number(row.writer), Number(row.last)];
        expect(Number(row.n)).toBe(last);
        expect(last).toBeGreaterThanOrEqual(beforeHold[writer] ?? 0);
        expect(last).toBeLessThanOrEqual((atCut[writer] ?? 0) + 1);
      }
    },
  );

  test('what was acknowledged without a flush is flushed, also when the server has been told since to flush every commit', async () => {
    await server.query('CREATE TABLE acknowledged (id int PRIMARY KEY) ENGINE = InnoDB');
    await server.query('SET GLOBAL innodb_flush_log_at_trx_commit = 0, GLOBAL innodb_flush_log_at_timeout = 2700');
    try {
      // The background waits for the old time-out once more.
      await sleep(2_000);
      await server.query('INSERT INTO acknowledged VALUES (1)');
      await server.query('SET GLOBAL innodb_flush_log_at_trx_commit = 1');
      const manifest = await bench.backup(server, { method: 'snapshot' });
      expect((await restored(manifest, 'SELECT id FROM shop.acknowledged')).rows).toEqual([{ id: '1' }]);
    } finally {
      await server.query('SET GLOBAL innodb_flush_log_at_trx_commit = 1, GLOBAL innodb_flush_log_at_timeout = 1');
      await server.query('DROP TABLE acknowledged');
    }
  });

  test('a table that lies elsewhere is refused before anything is held', async () => {
    await server.query("CREATE TABLE far (id int) ENGINE = InnoDB DATA DIRECTORY = '/tmp'");
    try {
      await expect(bench.backup(server, { method: 'snapshot' })).rejects.toMatchObject({
        code: 'method-impossible',
        message: expect.stringContaining('shop.far was made with DATA DIRECTORY'),
      });
      expect(bench.events.findLast((it) => it.event === 'holding' || it.event === 'started')?.event).toBe('started');
    } finally {
      await server.query('DROP TABLE far');
    }
  });

  test('a table that is being copied by ALTER at the cut comes back as it was, and nothing of the copy', async () => {
    await server.query('CREATE TABLE wide (id int PRIMARY KEY, text text) ENGINE = InnoDB');
    await server.query('INSERT INTO wide SELECT seq, REPEAT(SHA1(seq), 5) FROM seq_1_to_300000');
    const client = await server.connect();
    const [[self]] = (await client.query('SELECT CONNECTION_ID() AS id')) as unknown as [[{ id: number }]];
    let altering: Promise<unknown> | undefined;
    const manifest = await bench.backup(server, {
      method: 'snapshot',
      onEvent(event) {
        if (event.event === 'step' && event.step === 'window-sessions')
          altering = client
            .query('ALTER TABLE wide ADD COLUMN more int, ALGORITHM = COPY')
            .catch((cause) => String(cause));
        if (event.event === 'resumed') void server.query(`KILL QUERY ${self.id}`);
      },
    });
    expect(await altering).toContain('interrupted');
    client.destroy();
    // The copy is in the image; the server itself removes it when it recovers.
    const file = await bench.repository.locate(manifest.id, sourceOf(manifest).artifacts[0]?.file ?? '');
    expect((await execa('tar', ['-I', 'zstd', '-tf', file])).stdout).toMatch(/^shop\/#sql.*\.ibd$/m);
    const { rows, differences, files } = await restored(manifest, 'SELECT COUNT(*) AS n FROM shop.wide');
    expect(rows).toEqual([{ n: '300000' }]);
    expect(differences).toEqual([]);
    expect(files.filter((it) => it.startsWith('#sql'))).toEqual([]);
    await server.query('DROP TABLE wide');
  });

  describe('of a quiet server', () => {
    let before: unknown;
    let manifest: Manifest;
    beforeAll(async () => {
      before = await gtid();
      await server.query('SET GLOBAL innodb_flush_log_at_trx_commit = 0');
      manifest = await bench.backup(server, { method: 'snapshot' });
    });

    test('the flush burns no GTID, and the restored server stands at the one of the cut', async () => {
      expect(sourceOf(manifest).position.values).toMatchObject({ gtid: before, lsn: expect.stringMatching(/^\d+$/) });
      expect(await gtid()).toBe(before);
      const { rows } = await restored(
        manifest,
        'SELECT @@gtid_binlog_pos AS at, @@skip_networking AS net, @@event_scheduler AS events',
      );
      expect(rows).toEqual([{ at: before, net: '1', events: 'OFF' }]);
    });

    test('tables without transactions: small ones are compared, and the others named', async () => {
      const { differences } = await restored(
        manifest,
        "UPDATE shop.notes SET text = 'other'; UPDATE shop.old SET text = 'other'; UPDATE shop.large SET text = 'other'",
      );
      expect(differences.map((it) => it.name).sort()).toEqual(['shop.notes', 'shop.old']);
      const named = sourceOf(manifest).reasons.filter((it) => it.code === 'not-compared');
      expect(named.map((it) => it.text)).toEqual([
        expect.stringMatching(/^shop\.lost is a table of MEMORY: it is not compared/),
        expect.stringMatching(/^shop\.large is a table of Aria and too large/),
      ]);
    });

    test('STORE-8 an image comes back with the lines that show --commands prints', async () => {
      const [printed] = (await byHand(bench.world, bench.repository, manifest)).sources;
      const lines = printed?.commands.slice(1) ?? [];
      const path = bench.repository.name;
      const folder = ['--volume', `${path}:${path}:ro`, '--workdir', '/work', '--tmpfs', '/work'];
      const { stdout: id } = await execa('docker', [
        'run',
        '--detach',
        '--init',
        ...folder,
        '--entrypoint',
        'sleep',
        await image('mariadb-10.11'),
        '600',
      ]);
      const run = (script: string, ...options: string[]) =>
        execa('docker', ['exec', ...options, id, 'sh', '-ec', script]);
      try {
        // As printed: root unpacks, and the last line starts the server, as its user.
        await run(['chmod 1777 .', ...lines.slice(0, -1)].join('\n'), '--user', 'root');
        await run(lines.at(-1) ?? '', '--user', 'mysql', '--detach');
        const ask = 'mariadb --socket=/work/mariadbd.sock -NBe "SELECT COUNT(*), @@gtid_binlog_pos FROM shop.prices"';
        const asked = async () =>
          (await execa('docker', ['exec', '--env', `MYSQL_PWD=${PASSWORD}`, id, 'sh', '-c', ask], { reject: false }))
            .stdout;
        await expect.poll(asked, { timeout: 60_000, interval: 500 }).toBe(`5000\t${before}`);
      } finally {
        await execa('docker', ['rm', '--force', id]);
      }
    });

    test('verify restores and finds every table, user and definition as at the cut', async () => {
      const verification = await bench.verify(manifest.id);
      expect(verification).toMatchObject({ good: true, differences: [], level: 'application' });
      expect(verification.compared.tables).toBeGreaterThanOrEqual(3);
      expect(sourceOf(manifest).artifacts.map((it) => it.name)).toEqual(['shop.image.tar', 'shop.fingerprint.ndjson']);
    });

    test.each([
      ['GTID', { gtid: '0-3-999999' }],
      ['log', { lsn: '99999999999' }],
    ])('an image that does not reach the recorded %s is refused', async (_, other) => {
      const source = sourceOf(manifest);
      const position = { ...source.position, values: { ...source.position.values, ...other } };
      await expect(restored(manifest, 'SELECT 1', { ...source, position })).rejects.toMatchObject({
        code: 'restore-failed',
        message: expect.stringContaining('recovered to GTID'),
      });
    });
  });
});
