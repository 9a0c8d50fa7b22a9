import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Method } from '../../src/model/facts.ts';
import { tryImage } from '../environment/images.ts';
import { type Bench, makeBench, type Server, startServer, until } from '../support/containers.ts';
import { type Ledger, startLedger } from '../support/ledger.ts';
import {
  type MariadbBench,
  type MariadbServer,
  makeMariadbBench,
  startMariadb,
  startMariadbLedger,
} from '../support/mariadb.ts';

const postgres = await tryImage('postgres-15');
const mariadb = await tryImage('mariadb-10.11');

/** What a writer may see of a backup that has to give up and try again: half of the hold limit in all, an attempt at once. */
const SHORT = 1_500;

describe.skipIf(!postgres.ok)(`in the way on PostgreSQL${postgres.ok ? '' : ` (skipped: ${postgres.reason})`}`, () => {
  let server: Server;
  let bench: Bench;
  let ledger: Ledger;
  beforeAll(async () => {
    const settings = {
      autovacuum_naptime: '1s',
      autovacuum_freeze_max_age: '100000',
      max_prepared_transactions: '5',
      log_lock_waits: 'on',
    };
    server = await startServer({
      command: Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    });
    for (const name of ['shop', 'other']) await server.query(`CREATE DATABASE ${name}`);
    await server.query(
      'CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1, 0); INSERT INTO b VALUES (1, 0)',
      'shop',
    );
    await server.query('CREATE TABLE c (id int)', 'other');
    ledger = await startLedger(server.login('shop'));
    bench = await makeBench();
  });
  afterAll(async () => {
    await ledger?.[Symbol.asyncDispose]();
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  const backup = (method: Method = 'dump') => bench.backup(`docker:${server.name}`, { method });
  async function session(name: string): Promise<pg.Client> {
    const client = new pg.Client({ ...server.login('shop'), application_name: name });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }
  const wasHeld = (): boolean => bench.events.some((it) => it.event === 'held');

  test('CUT-8 a 60 s SELECT is nobody’s blocker: held beside it, and writers wait for milliseconds', async () => {
    const reader = await session('report');
    const long = reader.query('SELECT pg_sleep(60), count(*) FROM a').catch(() => undefined);
    ledger.longestGap();
    const manifest = await backup();
    expect(manifest.sources[0]?.reasons[0]?.code).toBe('held');
    expect(ledger.longestGap()).toBeLessThan(SHORT);
    await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'report'");
    await long;
  });

  test('CUT-8 an open transaction that wrote: refused before anything is held when it has been open, else given up within the limit; named both times', async () => {
    const writer = await session('nightly-import');
    await writer.query('BEGIN; UPDATE a SET n = n + 1');
    bench.events.length = 0;
    ledger.longestGap();
    await expect(backup()).rejects.toMatchObject({
      code: 'hold-refused',
      message: expect.stringMatching(/session \d+ \(postgres, nightly-import, idle in transaction\).*UPDATE a/),
    });
    expect(wasHeld()).toBe(false);
    expect(ledger.longestGap()).toBeLessThan(SHORT);
    await expect(backup('copy')).rejects.toMatchObject({
      exit: 4,
      message: expect.stringMatching(/session \d+ \(postgres, nightly-import\) has an open transaction.*UPDATE a/),
    });
    // The application is none the worse for it.
    await writer.query('COMMIT');
    await writer.end();
    expect((await backup()).sources[0]?.reasons[0]?.code).toBe('held');
  });

  test('CUT-8 a prepared transaction is refused before anything is held, by its name', async () => {
    await server.query("BEGIN; UPDATE b SET n = n + 1; PREPARE TRANSACTION 'order 4711'", 'shop');
    bench.events.length = 0;
    await expect(backup('copy')).rejects.toMatchObject({ exit: 4, message: expect.stringContaining('order 4711') });
    expect(wasHeld()).toBe(false);
    await server.query("ROLLBACK PREPARED 'order 4711'", 'shop');
  });

  test('CUT-8 a queue of DDL behind a SELECT: given up within the limit; who waits and whom it waits for are named; nobody is ended', async () => {
    const reader = await session('report');
    await reader.query('BEGIN; SELECT FROM a');
    const changer = await session('migration');
    const change = changer.query('ALTER TABLE a ADD COLUMN more int');
    await until(
      async () =>
        (await server.query("SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'", 'shop')).length >
        0,
    );
    await expect(backup()).rejects.toMatchObject({
      message: expect.stringMatching(/ALTER TABLE a|could not be locked/),
      exit: 7,
    });
    await ledger.progress(2_000);
    await reader.query('COMMIT');
    await change;
    await Promise.all([reader.end(), changer.end()]);
  });

  test('CUT-8 writers that lock crosswise are never the victim of a deadlock with us', async () => {
    const errors: string[] = [];
    let done = 0;
    const stop = new AbortController();
    const work = async (order: readonly string[]): Promise<void> => {
      const client = await session('crosswise');
      while (!stop.signal.aborted) {
        await client.query('BEGIN');
        for (const table of order)
          await client.query(
            `INSERT INTO ${table} VALUES ((random() * 2e9)::int, 0) ON CONFLICT DO NOTHING; SELECT pg_sleep(0.03)`,
          );
        await client.query('COMMIT');
        done++;
      }
      await client.end();
    };
    // Rows of their own: they are never in each other's way, only in that of whoever locks tables.
    const working = [
      ['a', 'b'],
      ['b', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ].map((order) => work(order).catch((cause) => void errors.push(String(cause))));
    const attempt = (): Promise<string> =>
      backup().then(
        () => 'made',
        (cause) => String(cause.code),
      );
    // Held or refused, as chance has it: what is promised is that no writer pays for it.
    const outcomes = [await attempt(), await attempt()];
    stop.abort();
    await Promise.all(working);
    expect(errors).toEqual([]);
    expect(done).toBeGreaterThan(20);
    for (const it of outcomes) expect(['made', 'hold-refused']).toContain(it);
    expect(await attempt()).toBe('made');
  });

  test('CUT-8 autovacuum gives way before writers have to wait for it; one that prevents wraparound is refused by its session', async () => {
    const slow =
      'autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0';
    const working = (like: string) => async () =>
      (
        await server.query(
          `SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '${like}'`,
        )
      ).length > 0;
    await server.query(
      `CREATE TABLE swept WITH (${slow}) AS SELECT g AS id, repeat('x', 500) AS text FROM generate_series(1, 20000) g; UPDATE swept SET id = id + 1`,
      'shop',
    );
    await until(working('autovacuum: VACUUM%public.swept%'), 60_000);
    ledger.longestGap();
    expect((await backup()).sources[0]?.reasons[0]?.code).toBe('held');
    expect(ledger.longestGap()).toBeLessThan(SHORT);

    // From now on only because it must.
    await server.query('ALTER TABLE swept SET (autovacuum_enabled = off)', 'shop');
    // Each block with an exception handler takes a transaction number.
    await server.query('CREATE UNLOGGED TABLE spent (id int)', 'shop');
    await server.query(
      'SET synchronous_commit = off; DO $$ BEGIN FOR i IN 1..110000 LOOP BEGIN INSERT INTO spent VALUES (i); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$',
      'shop',
    );
    await until(working('%public.swept (to prevent wraparound)'), 60_000);
    bench.events.length = 0;
    const text = /session \d+ is an autovacuum that does not give way.*public.swept \(to prevent wraparound\)/;
    await expect(backup('copy')).rejects.toMatchObject({ exit: 4, message: expect.stringMatching(text) });
    expect(wasHeld()).toBe(false);
    await ledger.progress(2_000);
  });
});

describe.skipIf(!mariadb.ok)(`in the way on MariaDB${mariadb.ok ? '' : ` (skipped: ${mariadb.reason})`}`, () => {
  let server: MariadbServer;
  let bench: MariadbBench;
  let ledger: Ledger;
  beforeAll(async () => {
    server = await startMariadb();
    await server.query(
      'CREATE TABLE things (id int PRIMARY KEY, n int) ENGINE = InnoDB; INSERT INTO things VALUES (1, 0)',
    );
    ledger = await startMariadbLedger(server);
    bench = await makeMariadbBench();
  });
  afterAll(async () => {
    await ledger?.[Symbol.asyncDispose]();
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  test('CUT-8 an open transaction that wrote does not delay the hold, and commits afterwards', async () => {
    const writer = await server.connect();
    await writer.query('BEGIN');
    await writer.query('UPDATE things SET n = n + 1');
    ledger.longestGap();
    const manifest = await bench.backup(server);
    expect(manifest.sources[0]?.reasons[0]?.code).toBe('held');
    expect(ledger.longestGap()).toBeLessThan(SHORT);
    await writer.query('COMMIT');
    writer.destroy();
  });

  test('CUT-8 a prepared XA transaction: held within the limit, and it can still be committed', async () => {
    const writer = await server.connect();
    await writer.query("XA START 'order'");
    await writer.query('UPDATE things SET n = n + 1');
    await writer.query("XA END 'order'");
    await writer.query("XA PREPARE 'order'");
    ledger.longestGap();
    const manifest = await bench.backup(server);
    expect(manifest.sources[0]?.reasons[0]?.code).toBe('held');
    expect(ledger.longestGap()).toBeLessThan(SHORT);
    await writer.query("XA COMMIT 'order'");
    writer.destroy();
  });
});
