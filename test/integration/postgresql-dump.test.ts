import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../../src/backup/world.ts';
import type { Capture } from '../../src/engines/capture.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import type { Instance, Process } from '../../src/runtimes/runtime.ts';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { type Bench, changed, makeBench, PASSWORD, type Server, startServer, until } from '../support/containers.ts';
import { between } from '../support/pair.ts';
import { fillWithEverything, ODD_DATABASES } from '../support/schema.ts';

const postgres = await tryImage('postgres-15');
const title = `PostgreSQL dump from a container${postgres.ok ? '' : ` (skipped: ${postgres.reason})`}`;

/** The same world, in which something happens while a capture is at work. */
const capturing =
  (change: (opened: Capture) => Partial<Capture>) =>
  (world: World): World => ({ ...world, ...between(world, (_, opened) => change(opened)) });

describe.skipIf(!postgres.ok)(title, () => {
  let server: Server;
  let bench: Bench;
  let ref: string;
  beforeAll(async () => {
    server = await startServer();
    ref = `docker:${server.name}`;
    await server.run('install', '-d', '-o', 'postgres', '/srv/fast');
    await fillWithEverything(server, { tablespace: '/srv/fast' });
    for (const name of ['big', 'second']) await server.query(`CREATE DATABASE ${name}`);
    await server.query(`
      CREATE ROLE reader LOGIN BYPASSRLS PASSWORD '${PASSWORD}'; GRANT pg_read_all_data, pg_read_all_settings, pg_read_all_stats TO reader;
      ALTER ROLE reader SET lo_compat_privileges = on`);
    await server.query(
      `CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS text FROM generate_series(1, 60000) g;
       CREATE TABLE small AS SELECT 1 AS id; CREATE FUNCTION what() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
      'big',
    );
    bench = await makeBench();
  });
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** No session and no program of ours is left on the server. */
  const nothingLeft = async (at: Server = server): Promise<void> => {
    await until(async () => {
      const [row] = await at.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'stillpoint/%'",
      );
      return row?.n === 0 && (await at.pids('pg_dump')).length === 0 && (await at.pids('sh')).length === 0;
    }, 5_000);
  };
  const saved = async (): Promise<number> => (await Array.fromAsync(bench.repository.list())).length;

  test('DOCK-5 DOCK-8 every kind of object of every database, and what belongs to no database, comes back as it was', async () => {
    const manifest = await bench.backup(ref, { method: 'dump' });
    const [source] = manifest.sources;
    expect(source?.artifacts.map((it) => it.name)).toEqual(
      expect.arrayContaining(['pg.globals.sql', 'pg.shop.dump', 'pg.postgres.dump', 'pg.template1.dump']),
    );
    expect(Object.values(source?.settings ?? {})).toEqual(expect.arrayContaining([...ODD_DATABASES]));
    expect(source).toMatchObject({ level: 'application', method: 'dump' });
    expect(manifest.window?.held.pg?.unbroken).toBe(true);
    const verification = await bench.verify(manifest.id);
    expect(verification.differences).toEqual([]);
    expect(verification.compared.rows).toBeGreaterThan(60_000);
    await nothingLeft();
  });

  test('DOCK-5 the comparison of a dump sees one row, one table, one right, one password, one comment, one sequence', async () => {
    const manifest = await bench.backup(ref, { method: 'dump' });
    const [source] = manifest.sources;
    if (!source) throw new Error('no source');
    const engine = await bench.world.engine('postgresql');
    await using open = await bench.repository.open(manifest.id);
    await bench.restored(manifest, async (query, twin, login) => {
      await query('UPDATE customers SET amount = amount + 1 WHERE id = 7', 'shop');
      await query("REVOKE EXECUTE ON FUNCTION twice FROM clerk; SELECT setval('numbers', 100)", 'shop');
      await query("ALTER ROLE clerk PASSWORD 'another'; COMMENT ON DATABASE shop IS 'a shop'; DROP TABLE small", 'big');
      const found: string[] = [];
      const comparison = engine.compare(twin, login, source, open);
      for (let it = await comparison.next(); !it.done; it = await comparison.next())
        found.push(`${it.value.kind} ${it.value.name}`);
      expect(found.sort()).toEqual([
        'column big.public.small.id',
        'function shop.public.twice(integer)',
        'password clerk',
        'relation big.public.small',
        'sequence shop.public.numbers',
        'shared comment database shop',
        'table big.public.small',
        'table shop.public.customers',
      ]);
    });
  });

  test('DOCK-5 several databases under load are one point: no effect in one without its cause in the other, nothing acknowledged before the hold is missing', async () => {
    await server.query('CREATE TABLE cause (n int PRIMARY KEY)', 'shop');
    await server.query('CREATE TABLE effect (n int PRIMARY KEY)', 'second');
    const stop = new AbortController();
    let acknowledged = 0;
    const writing = (async () => {
      const [shop, second] = [new pg.Client(server.login('shop')), new pg.Client(server.login('second'))];
      await Promise.all([shop.connect(), second.connect()]);
      for (let n = 1; !stop.signal.aborted; n++) {
        await shop.query('INSERT INTO cause VALUES ($1)', [n]);
        await second.query('INSERT INTO effect VALUES ($1)', [n]);
        acknowledged = n;
      }
      await Promise.all([shop.end(), second.end()]);
    })();
    await until(async () => acknowledged > 20);
    let before = 0;
    const manifest = await bench.backup(ref, {
      method: 'dump',
      onEvent: (event) => {
        if (event.event === 'holding') before = acknowledged;
      },
    });
    stop.abort();
    await writing;
    await bench.restored(manifest, async (query) => {
      const [cause] = await query('SELECT count(*) AS n, max(n) AS last FROM cause', 'shop');
      const [effect] = await query('SELECT count(*) AS n, max(n) AS last FROM effect', 'second');
      expect(cause?.n).toBe(cause?.last);
      expect(Number(effect?.last)).toBeLessThanOrEqual(Number(cause?.last));
      expect(Number(effect?.last)).toBeGreaterThanOrEqual(before);
    });
  });

  test('CUT-4 the server ends transactions in a burst while it is held: cut again until one is proven, and writers wait no longer for it', async () => {
    let cuts = 0;
    const burst = capturing((opened) => ({
      async cut() {
        // As autovacuum does where it analyzes catalogs, which no lock on tables stops.
        if (++cuts <= 6) await server.query('SELECT txid_current()', 'second');
        return opened.cut();
      },
    }));
    const manifest = await bench.backup(ref, { method: 'dump', change: burst });
    expect(cuts).toBe(7);
    expect(manifest.sources[0]?.reasons[0]?.code).toBe('held');
    const held = Object.values(manifest.window?.held ?? {})[0]?.held;
    expect(held?.millis).toBeLessThan(manifest.plan.holdLimit / 2);
  });

  describe('without the right to lock tables', () => {
    let reader: Bench;
    beforeAll(async () => {
      reader = await makeBench('reader');
    });
    afterAll(() => reader[Symbol.asyncDispose]());

    test('DOCK-5 a quiet server is one point, proved by its unchanged transaction snapshot, and the manifest says why it went unheld', async () => {
      const manifest = await reader.backup(ref, { method: 'dump' });
      expect(manifest.plan.hold).toEqual([]);
      const [source] = manifest.sources;
      expect(source?.reasons.map((it) => it.code)).toContain('unholdable');
      expect((await reader.verify(manifest.id)).differences).toEqual([]);
    });

    /** A server that is never quiet: a transaction ends right after every cut. */
    const busy = capturing((opened) => ({
      async still() {
        await server.query('INSERT INTO busy VALUES (now())', 'second');
        return opened.still();
      },
    }));

    test('DOCK-5 a busy server is refused; with onOverrun: downgrade each database has a point of its own, and it is said; one database needs none of it', async () => {
      await server.query('CREATE TABLE busy (at timestamptz)', 'second');
      await expect(reader.backup(ref, { method: 'dump', change: busy })).rejects.toMatchObject({
        code: 'source-changed',
        message: expect.stringMatching(/not held.*may not lock.*moved on/s),
      });
      const manifest = await reader.backup(ref, { method: 'dump', onOverrun: 'downgrade', change: busy });
      const [source] = manifest.sources;
      expect(source?.reasons.map((it) => it.text).join('\n')).toMatch(/each database is dumped at a point of its own/);
      expect((await reader.verify(manifest.id)).differences).toEqual([]);
      const one = await reader.backup(`${ref}#second`, { method: 'dump', change: busy });
      expect(one.sources[0]?.reasons.map((it) => it.code)).toEqual(['unheld', 'unholdable']);
      expect((await reader.verify(one.id)).differences).toEqual([]);
    });
  });

  test('DOCK-5 a login that may read one database only and no passwords: that database is backed up, the rest is refused, and what is missing is said', async () => {
    await server.query(
      `CREATE ROLE few LOGIN PASSWORD '${PASSWORD}'; GRANT pg_read_all_settings TO few; REVOKE CONNECT ON DATABASE shop FROM PUBLIC`,
    );
    await server.query('GRANT SELECT ON ALL TABLES IN SCHEMA public TO few', 'second');
    await using few = await makeBench('few');
    await expect(few.backup(ref, { method: 'dump' })).rejects.toMatchObject({
      code: 'privilege',
      message: expect.stringMatching(/permission denied for database "shop".*may not read .* tables in database big/s),
    });
    const manifest = await few.backup(`${ref}#second`, { method: 'dump' });
    expect(manifest.sources[0]?.excluded.map((it) => it.code)).toContain('role-passwords');
    expect((await few.verify(manifest.id)).differences).toEqual([]);
    await server.query('GRANT CONNECT ON DATABASE shop TO PUBLIC; DROP OWNED BY few');
    await server.query('DROP OWNED BY few', 'second');
    await server.query('DROP ROLE few');
  });

  test('DOCK-5 #DATABASE backs up one database, with the roles that it needs', async () => {
    const manifest = await bench.backup(`${ref}#${ODD_DATABASES[1]}`, { method: 'dump' });
    const [source] = manifest.sources;
    expect(source).toMatchObject({ method: 'dump', database: ODD_DATABASES[1] });
    expect(source?.artifacts.filter((it) => it.name.endsWith('.dump'))).toHaveLength(1);
    expect((await bench.verify(manifest.id)).differences).toEqual([]);
    await expect(bench.backup(`${ref}#nowhere`, { method: 'dump' })).rejects.toMatchObject({ code: 'not-found' });
    await expect(bench.backup(`${ref}#shop`, { method: 'copy' })).rejects.toMatchObject({ code: 'method-impossible' });
  });

  /** Calls back when the first bytes of a database's dump arrive: pg_dump has its locks and waits for us to read on. */
  const atDumpOf =
    (name: string, then: () => Promise<void>) =>
    (repository: Repository): Repository =>
      changed(repository, {
        async begin(job, id) {
          const incoming = await repository.begin(job, id);
          const put: typeof incoming.put = async (artifact, plain, progress) => {
            if (artifact === name) await then();
            return incoming.put(artifact, plain, progress);
          };
          return changed(incoming, { put });
        },
      });

  test('DOCK-5 TRUNCATE after the point waits for the dump, which has all rows', async () => {
    await server.query('CREATE TABLE emptied AS SELECT generate_series(1, 5000) AS id', 'big');
    let truncated = Promise.resolve(0);
    let ended = 0;
    const manifest = await bench.backup(ref, {
      method: 'dump',
      through: atDumpOf('pg.big.dump', async () => {
        truncated = server.query('TRUNCATE emptied', 'big').then(() => performance.now());
        await sleep(500);
      }),
      onEvent: (event) => {
        if (event.event === 'stored' && event.artifact === 'pg.big.dump') ended = performance.now();
      },
    });
    expect(await truncated).toBeGreaterThan(ended);
    expect(await server.query('SELECT count(*)::int AS n FROM emptied', 'big')).toEqual([{ n: 0 }]);
    await bench.restored(manifest, async (query) => {
      expect(await query('SELECT count(*) AS n FROM emptied', 'big')).toEqual([{ n: '5000' }]);
    });
  });

  test('DOCK-5 TRUNCATE between the point and pg_dump: the run fails and names it, no table is silently empty, the TRUNCATE goes on', async () => {
    await server.query('INSERT INTO emptied SELECT generate_series(1, 5000)', 'big');
    const before = await saved();
    let truncated: Promise<unknown> = Promise.resolve();
    await expect(
      bench.backup(ref, {
        method: 'dump',
        onEvent: (event) => {
          if (event.event === 'resumed') truncated = server.query('TRUNCATE emptied', 'big');
        },
      }),
    ).rejects.toMatchObject({
      code: 'source-changed',
      message: expect.stringMatching(/TRUNCATE emptied.*waits for the locks of this backup/s),
    });
    await truncated;
    expect(await saved()).toBe(before);
    await nothingLeft();
  });

  test.each([
    ['function', "CREATE OR REPLACE FUNCTION what() RETURNS int LANGUAGE sql AS 'SELECT 2'", /function public.what/],
    ['role', 'CREATE ROLE late', /role late/],
  ])('DOCK-5 a %s that is changed before pg_dump has read it fails the run', async (_, sql, named) => {
    const before = await saved();
    let done: Promise<unknown> = Promise.resolve();
    await expect(
      bench.backup(ref, {
        method: 'dump',
        onEvent: (event) => {
          if (event.event === 'resumed') done = server.query(sql, 'big');
        },
      }),
    ).rejects.toMatchObject({ code: 'source-changed', message: expect.stringMatching(named) });
    await done;
    await server.query('DROP ROLE IF EXISTS late');
    expect(await saved()).toBe(before);
  });

  test('DOCK-5 a killed pg_dump is a failure, with its status and no backup', async () => {
    const before = await saved();
    // Several databases are dumped at once: the one that is killed must be the one that is told.
    const kill = async (): Promise<void> => {
      for (const pid of await server.pids('pg_dump')) {
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
        if (environment.split('\0').includes('PGDATABASE=big')) process.kill(pid, 'SIGKILL');
      }
    };
    await expect(bench.backup(ref, { method: 'dump', through: atDumpOf('pg.big.dump', kill) })).rejects.toMatchObject({
      code: 'backup-failed',
      message: expect.stringMatching(/pg_dump of database big was ended by signal 9/),
    });
    expect(await saved()).toBe(before);
    await nothingLeft();
  });

  test('DOCK-5 an error of pg_dump is told in its own words', async () => {
    const before = await saved();
    const end = async (): Promise<void> => {
      await server.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY public.large%'",
      );
    };
    await expect(bench.backup(ref, { method: 'dump', through: atDumpOf('pg.big.dump', end) })).rejects.toMatchObject({
      code: 'backup-failed',
      message: expect.stringMatching(/pg_dump of database big failed with exit status 1: .*large/s),
    });
    expect(await saved()).toBe(before);
    await nothingLeft();
  });

  describe('something between pg_dump and us lies', () => {
    /** The same world, but what pg_dump prints passes through `change`. */
    const lying =
      (change: (process: Process) => Process) =>
      (world: World): World => ({
        ...world,
        async runtime(name) {
          const runtime = await world.runtime(name);
          const find: typeof runtime.find = async (wanted) => {
            const instance = await runtime.find(wanted);
            const exec: Instance['exec'] = async (argv, how) => {
              const process = await instance.exec(argv, how);
              return argv.some((it) => it.startsWith('--snapshot')) ? change(process) : process;
            };
            return changed(instance, { exec });
          };
          return changed(runtime, { find });
        },
      });

    test('DOCK-5 a stream that is cut short although pg_dump ended well is a failure', async () => {
      const before = await saved();
      // Its first bytes only; the rest is read and thrown away, so that pg_dump itself ends well.
      const shorten = (process: Process): Process => {
        const stdout = process.stdout.compose(async function* (source: AsyncIterable<Buffer>) {
          let left = 1_000_000;
          for await (const chunk of source) {
            if (left > 0) yield chunk.subarray(0, left);
            left -= chunk.length;
          }
        });
        return changed(process, { stdout: stdout as Process['stdout'] });
      };
      await expect(bench.backup(ref, { method: 'dump', change: lying(shorten) })).rejects.toMatchObject({
        code: 'backup-failed',
        message: expect.stringMatching(/pg_dump of database .* was cut short: it ends within the rows/),
      });
      expect(await saved()).toBe(before);
      await nothingLeft();
    });

    test('DOCK-5 a missing exit status is a failure', async () => {
      const before = await saved();
      const change = lying((process) => {
        const exit = process.exit.then(() => Promise.reject(new Error('Docker has no exit status for it')));
        exit.catch(() => undefined);
        return changed(process, { exit });
      });
      await expect(bench.backup(ref, { method: 'dump', change })).rejects.toThrow(/no exit status/);
      expect(await saved()).toBe(before);
    });
  });

  test('DOCK-5 a pg_dump of another version, or none, is refused before anything is touched', async () => {
    await using other = await startServer();
    const at = '/usr/lib/postgresql/15/bin/pg_dump';
    const fake = `mv ${at} ${at}.real; printf '#!/bin/sh\\necho "pg_dump (PostgreSQL) 14.9"\\n' > ${at}; chmod 755 ${at}`;
    await other.run('sh', '-c', fake);
    await expect(bench.backup(`docker:${other.name}`, { method: 'dump' })).rejects.toMatchObject({
      code: 'method-impossible',
      message: expect.stringMatching(/pg_dump is of version 14 and the server of version 15/),
    });
    await other.run('rm', at);
    await expect(bench.backup(`docker:${other.name}`, { method: 'dump' })).rejects.toMatchObject({
      code: 'method-impossible',
      message: expect.stringMatching(/pg_dump/),
    });
  });

  test.each(['postgres-15', 'busybox-postgres-15'] as const)(
    'DOCK-5 SIGKILL of the runner in the middle of a dump, %s: within seconds no process and no session of ours is left',
    async (name) => {
      await using folder = await makeFolder();
      // Large enough that progress is told before the dump has ended, however quick the machine is.
      await using at = await startServer({ image: name });
      await at.query('CREATE DATABASE big');
      await at.query(
        'CREATE TABLE large AS SELECT g AS id, repeat(md5(g::text), 8) AS text FROM generate_series(1, 500000) g',
        'big',
      );
      const args = ['backup', `docker:${at.name}#big`, '--method', 'dump', '--to', folder.in('repository')];
      const run = await stillpoint([...args, '-o', 'ndjson'], {
        env: { STILLPOINT_USER: 'postgres', STILLPOINT_PASSWORD: PASSWORD, STILLPOINT_STATE: folder.in('state') },
        onLine: (line, pid) => {
          if (line.event === 'progress' && String(line.artifact).endsWith('.dump')) process.kill(pid, 'SIGKILL');
        },
      });
      expect(run.signal, run.stderr).toBe('SIGKILL');
      await nothingLeft(at);
    },
  );
});
