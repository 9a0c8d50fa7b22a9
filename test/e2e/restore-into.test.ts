import { execa } from 'execa';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { PASSWORD, type Server, startServer } from '../support/containers.ts';
import { ask } from '../support/psql.ts';

const found = await tryImage('postgres-15');
const title = (text: string): string => (found.ok ? text : `${text} (skipped: ${found.reason})`);

const METHODS = ['dump', 'copy'] as const;

/** Text for people is wrapped. */
const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');

describe.skipIf(!found.ok)(title('restore --into, --database, --table'), () => {
  let server: Server;
  let target: Server;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  const run = (...args: string[]) =>
    stillpoint(args, { env: { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch') } });
  const restore = (method: string, ...args: string[]) => run('restore', 'latest', '--from', folder.in(method), ...args);
  const count = (container: string, database: string, table: string): Promise<string> =>
    ask(container, database, `SELECT count(*) FROM ${table}`);

  beforeAll(async () => {
    folder = await makeFolder();
    [server, target] = await Promise.all([startServer({ environment: { POSTGRES_DB: 'shop' } }), startServer()]);
    await server.run('install', '-d', '-o', 'postgres', '-m', '700', '/srv/fast');
    await server.query("CREATE TABLESPACE fast LOCATION '/srv/fast'");
    await server.query("CREATE ROLE clerk LOGIN PASSWORD 'clerk'");
    await server.query('CREATE DATABASE wiki');
    await server.query(
      `CREATE TYPE mood AS ENUM ('ok', 'bad');
       CREATE TABLE customers (id serial PRIMARY KEY, name text, mood mood DEFAULT 'ok'); INSERT INTO customers (name) SELECT 'c' || g FROM generate_series(1, 100) g;
       CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, at date) TABLESPACE fast; INSERT INTO orders SELECT g, g, '2020-01-01' FROM generate_series(1, 100) g;
       CREATE INDEX by_name ON customers (name); GRANT SELECT ON customers TO clerk; COMMENT ON TABLE customers IS 'who buys';
       CREATE TABLE months (at date, n int) PARTITION BY RANGE (at); CREATE TABLE months_1 PARTITION OF months FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
       INSERT INTO months VALUES ('2020-01-02', 7)`,
      'shop',
    );
    await server.query('CREATE EXTENSION pgcrypto; CREATE TABLE pages AS SELECT generate_series(1, 30) AS id', 'wiki');
    for (const method of METHODS) {
      const done = await run('backup', `docker:${server.name}`, '--to', folder.in(method), '--method', method);
      expect(done.code, done.stderr).toBe(0);
    }
  });
  afterAll(async () => {
    await target?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const loadedWhole = async (name: string): Promise<void> => {
    expect(await count(name, 'shop', 'orders')).toBe('100');
    expect(await count(name, 'wiki', 'pages')).toBe('30');
    expect(await ask(name, 'shop', "SELECT has_table_privilege('clerk', 'customers', 'select')")).toBe('t');
    expect(await ask(name, 'shop', 'SELECT count(*) FROM pg_tablespace')).toBe('2');
  };

  test('DOCK-9 --into loads a running server, refuses one that is not empty until told, and keeps the password of its login', async () => {
    await using other = await startServer({ environment: { POSTGRES_PASSWORD: `${PASSWORD}-2`, POSTGRES_DB: 'shop' } });
    const into = `docker:${other.name}`;
    const first = await restore('dump', '--into', into);
    expect(first.code, first.stderr).toBe(0);
    await loadedWhole(other.name);
    expect(flat(first.stdout)).toContain('tablespaces fast are not made');
    const address = (await other.run('hostname', '-i')).trim();
    await other.run('env', `PGPASSWORD=${PASSWORD}-2`, 'psql', '-h', address, '-U', 'postgres', '-c', 'SELECT 1');

    await ask(other.name, 'shop', 'DELETE FROM orders');
    await ask(other.name, 'shop', 'CREATE DATABASE alien');
    await ask(other.name, 'alien', 'CREATE TABLE alien (a int)');
    const refused = await restore('dump', '--into', into);
    expect(refused.code, refused.stderr).toBe(4);
    expect(flat(refused.stderr)).toMatch(
      /not empty.*database alien .* stays as it is.*database shop .* is dropped and made again.*role clerk/,
    );
    expect(await count(other.name, 'shop', 'orders')).toBe('0');
    // Off a terminal nobody can be asked.
    const unasked = await restore('dump', '--into', into, '--replace');
    expect(unasked.code, unasked.stderr).toBe(2);
    expect(await count(other.name, 'shop', 'orders')).toBe('0');
    const replaced = await restore('dump', '--into', into, '--replace', '--yes');
    expect(replaced.code, replaced.stderr).toBe(0);
    expect(flat(replaced.stderr)).toContain('is dropped and made again');
    expect(await count(other.name, 'shop', 'orders')).toBe('100');
    expect(await count(other.name, 'alien', 'alien')).toBe('0');
  });

  test('DOCK-9 --into of a physical backup: brought up in a throwaway server, dumped from there into this one, and said', async () => {
    await using other = await startServer();
    const done = await restore('copy', '--into', `docker:${other.name}`);
    expect(done.code, done.stderr).toBe(0);
    await loadedWhole(other.name);
    expect(flat(done.stdout)).toContain('restored into a throwaway server, and dumped from there');
  });

  test('DOCK-9 --into the very server that was backed up must be said with --in-place', async () => {
    const refused = await restore(
      'dump',
      '--into',
      `docker:${server.name}`,
      '--database',
      'wiki',
      '--replace',
      '--yes',
    );
    expect(refused.code, refused.stderr).toBe(4);
    expect(flat(refused.stderr)).toMatch(/the very server that was backed up.*--in-place/);
    await server.query('DELETE FROM pages', 'wiki');
    const done = await restore('dump', '--in-place', '--database', 'wiki', '--replace', '--yes');
    expect(done.code, done.stderr).toBe(0);
    expect(await count(server.name, 'wiki', 'pages')).toBe('30');
  });

  test('DOCK-9 --database brings that one and no other; an unknown one is named with the nearest; one in use is not dropped', async () => {
    const typo = await restore('dump', '--into', `docker:${target.name}`, '--database', 'wikki');
    expect(typo.code, typo.stderr).toBe(6);
    expect(flat(typo.stderr)).toContain("did you mean 'wiki'?");
    const done = await restore('copy', '--into', `docker:${target.name}`, '--database', 'wiki');
    expect(done.code, done.stderr).toBe(0);
    expect(await count(target.name, 'wiki', 'pages')).toBe('30');
    expect(await ask(target.name, 'postgres', "SELECT count(*) FROM pg_database WHERE datname = 'shop'")).toBe('0');
    const client = new pg.Client({ ...target.login('wiki'), application_name: 'till' });
    await client.connect();
    const used = await restore('dump', '--into', `docker:${target.name}`, '--database', 'wiki', '--replace', '--yes');
    await client.end();
    expect(used.code, used.stderr).toBe(4);
    expect(flat(used.stderr)).toMatch(/session \d+ \(postgres, till\) in wiki/);
    expect(await count(target.name, 'wiki', 'pages')).toBe('30');
  });

  test('DOCK-9 --table replaces that table, whole or not at all, with what is its own', {
    timeout: 120_000,
  }, async () => {
    await using other = await startServer();
    const into = `docker:${other.name}`;
    const loaded = await restore('dump', '--into', into, '--database', 'shop');
    expect(loaded.code, loaded.stderr).toBe(0);
    const typo = await restore('dump', '--into', into, '--table', 'public.order');
    expect(typo.code, typo.stderr).toBe(6);
    expect(flat(typo.stderr)).toContain("did you mean 'public.orders'?");

    await ask(other.name, 'shop', 'DROP TABLE orders; DELETE FROM customers WHERE id > 50');
    const lost = await restore('dump', '--into', into, '--table', 'public.orders');
    expect(lost.code, lost.stderr).toBe(7);
    // Its customers are not there: the server's own words, and nothing half-made.
    expect(lost.stderr).toMatch(/violates foreign key|is not present in table/);
    expect(await ask(other.name, 'shop', "SELECT to_regclass('orders') IS NULL")).toBe('t');

    const refused = await restore('dump', '--into', into, '--table', 'shop.public.customers');
    expect(refused.code, refused.stderr).toBe(4);
    expect(flat(refused.stderr)).toMatch(/table shop.public.customers \(.*\) is replaced/);
    const done = await restore('dump', '--into', into, '--table', 'shop.public.customers', '--replace', '--yes');
    expect(done.code, done.stderr).toBe(0);
    expect(await count(other.name, 'shop', 'customers')).toBe('100');
    expect(await ask(other.name, 'shop', "SELECT nextval(pg_get_serial_sequence('customers', 'id'))")).toBe('101');
    expect(
      await ask(
        other.name,
        'shop',
        "SELECT count(*) || obj_description('customers'::regclass) || has_table_privilege('clerk', 'customers', 'select') FROM pg_indexes WHERE tablename = 'customers'",
      ),
    ).toBe('2who buystrue');

    const orders = await restore(
      'dump',
      '--into',
      into,
      '--table',
      'public.orders',
      '--table',
      'public.months',
      '--replace',
      '--yes',
    );
    expect(orders.code, orders.stderr).toBe(0);
    expect(await count(other.name, 'shop', 'orders')).toBe('100');
    expect(await count(other.name, 'shop', 'months_1')).toBe('1');
    expect(
      await ask(
        other.name,
        'shop',
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'f'",
      ),
    ).toBe('1');
  });

  test('DOCK-9 --table of a physical backup: out of a throwaway server, into the one that lost it', {
    timeout: 120_000,
  }, async () => {
    await using other = await startServer();
    const done = await restore('copy', '--into', `docker:${other.name}`, '--table', 'public.customers');
    expect(done.code, done.stderr).toBe(0);
    expect(await count(other.name, 'shop', 'customers')).toBe('100');
    expect(await ask(other.name, 'shop', "SELECT to_regclass('orders') IS NULL")).toBe('t');
  });

  test('DOCK-9 --table with --files is an archive of that table alone; --as makes a server that holds nothing else', {
    timeout: 120_000,
  }, async () => {
    const files = await restore('dump', '--files', folder.in('files'), '--table', 'shop.public.orders');
    expect(files.code, files.stderr).toBe(0);
    expect(flat(files.stdout)).toMatch(
      /Left out in shop: FK CONSTRAINT public.orders orders_customer_fkey.*ALTER TABLE ONLY public.orders ADD CONSTRAINT/,
    );
    const { stdout } = await execa('docker', ['exec', '-i', target.name, 'pg_restore', '-f', '-'], {
      inputFile: folder.in(`files/${server.name}.shop.dump`),
    });
    expect(stdout).toContain('COPY public.orders ');
    expect(stdout).not.toMatch(/COPY public\.(customers|months)/);
    expect(stdout).not.toMatch(/\tc99\t/);
    const name = `one-${server.name}`;
    const raised = await restore('copy', '--as', 'one-', '--table', 'shop.public.months');
    try {
      expect(raised.code, raised.stderr).toBe(0);
      expect(await count(name, 'shop', 'months')).toBe('1');
      expect(
        await ask(
          name,
          'shop',
          "SELECT string_agg(relname, ' ' ORDER BY 1) FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384",
        ),
      ).toBe('months months_1');
    } finally {
      await execa('docker', ['rm', '-f', '-v', name], { reject: false });
      await execa('docker', ['volume', 'rm', '-f', `${name}-data`], { reject: false });
    }
  });

  test('DOCK-9 an error of pg_restore is a failure in its own words, and the half-made database is gone', async () => {
    await using other = await startServer();
    await other.run('rm', '/usr/share/postgresql/15/extension/pgcrypto.control');
    const failed = await restore('dump', '--into', `docker:${other.name}`);
    expect(failed.code, failed.stderr).toBe(7);
    expect(flat(failed.stderr)).toMatch(/pg_restore failed on docker:.*extension control file .*pgcrypto/);
    expect(flat(failed.stderr)).toContain('Restored whole: shop;');
    expect(
      await ask(
        other.name,
        'postgres',
        "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database WHERE oid >= 16384",
      ),
    ).toBe('shop');
  });
});
