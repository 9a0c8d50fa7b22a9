import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { PASSWORD, startServer } from '../support/containers.ts';
import { startMariadb, PASSWORD as WORD } from '../support/mariadb.ts';
import { ask } from '../support/psql.ts';

/** A dump comes back with exactly the lines that `show --commands` prints, typed in a container of a new server. */

const found = { postgresql: await tryImage('postgres-15'), mariadb: await tryImage('mariadb-10.11') };
const title = (of: keyof typeof found, text: string): string => {
  const { [of]: image } = found;
  return image.ok ? text : `${text} (skipped: ${image.reason})`;
};

describe('by hand', () => {
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  beforeAll(async () => {
    folder = await makeFolder();
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  /** Backs a container up into a repository of its own; the lines that bring it back. */
  async function linesOf(name: string, repository: string): Promise<readonly string[]> {
    const env = { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch') };
    const done = await stillpoint(['backup', `docker:${name}`, '--to', repository, '--method', 'dump'], { env });
    expect(done.code, done.stderr).toBe(0);
    const shown = await stillpoint(['show', 'latest', '--from', repository, '--commands'], { env });
    expect(shown.code, shown.stderr).toBe(0);
    return shown.stdout.trimEnd().split('\n');
  }

  /** Types them in the container: what installs as root, the rest as `user`. */
  async function type(
    lines: readonly string[],
    container: string,
    user: string,
    env: readonly string[],
  ): Promise<void> {
    const [install = '', ...rest] = lines.filter((it) => !it.startsWith('#') && it !== '');
    expect(install).toMatch(/^apt-get install -y zstd {3}# as root$/);
    await execa('docker', ['exec', '-u', 'root', container, 'sh', '-ec', install]);
    const variables = env.flatMap((it) => ['--env', it]);
    const input = `${rest.join('\n')}\n`;
    await execa('docker', ['exec', '-i', ...variables, '-u', user, container, 'sh', '-e'], { input });
  }

  test.skipIf(!found.postgresql.ok)(
    title('postgresql', 'STORE-8 every database and role of a PostgreSQL dump, postgres and template1 too'),
    async () => {
      const repository = folder.in('postgresql');
      await using source = await startServer({ environment: { POSTGRES_DB: 'shop' } });
      await source.query(
        'CREATE ROLE clerk; CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g; ALTER TABLE orders OWNER TO clerk',
        'shop',
      );
      await source.query('CREATE TABLE beside AS SELECT 42 AS answer', 'postgres');
      const lines = await linesOf(source.name, repository);
      expect(lines.filter((it) => it.includes('pg_restore'))).toHaveLength(3);
      await using target = await startServer({ binds: [{ source: repository, target: repository }] });
      await type(lines, target.name, 'root', [
        'PGUSER=postgres',
        'PGHOST=/var/run/postgresql',
        `PGPASSWORD=${PASSWORD}`,
      ]);
      expect(await ask(target.name, 'shop', 'SELECT count(*) FROM orders')).toBe('1000');
      expect(await ask(target.name, 'shop', "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'")).toBe(
        'clerk',
      );
      expect(await ask(target.name, 'postgres', 'SELECT answer FROM beside')).toBe('42');
    },
  );

  test.skipIf(!found.mariadb.ok)(title('mariadb', 'STORE-8 every database and user of a MariaDB dump'), async () => {
    const repository = folder.in('mariadb');
    await using source = await startMariadb();
    await source.query(
      "CREATE TABLE orders AS SELECT seq AS id FROM seq_1_to_1000; CREATE USER ann@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.orders TO ann@'%'; CREATE PROCEDURE total() SELECT COUNT(*) FROM orders",
    );
    const lines = await linesOf(source.name, repository);
    await using target = await startMariadb({ binds: [{ source: repository, target: repository }] });
    await type(lines, target.name, 'root', [`MYSQL_PWD=${WORD}`]);
    expect(await target.query('SELECT COUNT(*) AS n FROM orders')).toEqual([{ n: 1000 }]);
    expect(await target.query("SHOW GRANTS FOR ann@'%'")).toHaveLength(2);
    expect(
      await target.query("SELECT COUNT(*) AS n FROM information_schema.ROUTINES WHERE ROUTINE_NAME = 'total'"),
    ).toEqual([{ n: 1 }]);
  });
});
