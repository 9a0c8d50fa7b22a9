import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { type Server, startServer } from '../support/containers.ts';
import { ask } from '../support/psql.ts';

const found = await tryImage('postgres-15');
const title = (text: string): string => (found.ok ? text : `${text} (skipped: ${found.reason})`);

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');

describe.skipIf(!found.ok)(title('quarantine, and stopped containers'), () => {
  let server: Server;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  const made: string[] = [];
  const run = (...args: string[]) =>
    stillpoint(args, { env: { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch') } });
  const restore = (...args: string[]) => run('restore', 'latest', '--from', folder.in('copy'), ...args);
  const docker = async (...args: string[]): Promise<string> => (await execa('docker', args)).stdout;
  /** A container that was never started, and whose volume is empty. */
  const create = async (name: string, image: string, ...args: string[]): Promise<string> => {
    made.push(name);
    await docker(
      'create',
      '--name',
      name,
      '-v',
      '/var/lib/postgresql/data',
      '-e',
      'POSTGRES_PASSWORD=x',
      image,
      ...args,
    );
    return `docker:${name}`;
  };

  beforeAll(async () => {
    folder = await makeFolder();
    // One half of archiving is on the command line, the other was set by ALTER SYSTEM.
    server = await startServer({ environment: { POSTGRES_DB: 'shop' }, command: ['-c', 'archive_mode=on'] });
    await server.query("ALTER SYSTEM SET archive_command = 'touch archived'");
    await server.query("ALTER SYSTEM SET work_mem = '5MB'");
    await server.query('CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g', 'shop');
    for (const method of ['copy', 'dump']) {
      const done = await run('backup', `docker:${server.name}`, '--to', folder.in(method), '--method', method);
      expect(done.code, done.stderr).toBe(0);
    }
  });
  afterAll(async () => {
    for (const name of made) {
      await execa('docker', ['rm', '-f', '-v', name], { reject: false });
      await execa('docker', ['volume', 'rm', '-f', `${name}-data`], { reject: false });
    }
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const state = (name: string): Promise<string> =>
    ask(name, 'shop', "SELECT count(*) || current_setting('archive_mode') || current_setting('work_mem') FROM orders");
  const archived = async (name: string): Promise<boolean> => {
    await ask(name, 'shop', 'SELECT pg_switch_wal()');
    for (let tries = 0; tries < 20; tries++) {
      const { exitCode } = await execa('docker', ['exec', name, 'test', '-e', '/var/lib/postgresql/data/archived'], {
        reject: false,
      });
      if (exitCode === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return false;
  };

  test('DOCK-9 a restored server archives nothing, whatever its command line says; --activate says what wakes, asks, and wakes it', {
    timeout: 180_000,
  }, async () => {
    const quiet = `quiet-${server.name}`;
    const awake = `awake-${server.name}`;
    made.push(quiet, awake);
    await server.query('SELECT pg_switch_wal()');
    const first = await restore('--as', 'quiet-');
    expect(first.code, first.stderr).toBe(0);
    expect(flat(first.stdout)).toMatch(
      /does not do what its source did: .*ALTER SYSTEM had set on the source: archive_command, work_mem; started with archive_mode/,
    );
    expect(await state(quiet)).toBe('1000off4MB');
    await docker('exec', quiet, 'rm', '-f', '/var/lib/postgresql/data/archived');
    expect(await archived(quiet)).toBe(false);

    const unasked = await restore('--as', 'awake-', '--activate');
    expect(unasked.code, unasked.stderr).toBe(2);
    expect(await docker('ps', '-aq', '--filter', `name=${awake}`)).toBe('');
    const woken = await restore('--as', 'awake-', '--activate', '--yes');
    expect(woken.code, woken.stderr).toBe(0);
    expect(flat(woken.stderr)).toMatch(
      /wakes: what ALTER SYSTEM had set on the source: archive_command, work_mem.*wakes: started with archive_mode/,
    );
    expect(await state(awake)).toBe('1000on5MB');
    await docker('exec', awake, 'rm', '-f', '/var/lib/postgresql/data/archived');
    expect(await archived(awake)).toBe(true);
  });

  test('DOCK-9 --into gives its files to a stopped container; what it had is replaced only when told; a dump needs it running', {
    timeout: 180_000,
  }, async () => {
    const name = `vessel-${server.name}`;
    const into = await create(name, 'stillpoint-test/postgres:15');
    const dump = await run('restore', 'latest', '--from', folder.in('dump'), '--into', into);
    expect(dump.code, dump.stderr).toBe(4);
    expect(dump.stderr).toContain(`docker start ${name}`);
    const first = await restore('--into', into);
    expect(first.code, first.stderr).toBe(0);
    expect(flat(first.stdout)).toContain(`It was not started: docker start ${name}`);
    await docker('start', name);
    expect(await state(name)).toBe('1000off4MB');
    await ask(name, 'shop', 'DELETE FROM orders');
    await docker('exec', name, 'touch', '/var/lib/postgresql/data/alien');
    await docker('stop', name);

    const refused = await restore('--into', into);
    expect(refused.code, refused.stderr).toBe(4);
    expect(flat(refused.stderr)).toMatch(/not empty: everything in \/var\/lib\/postgresql\/data \(.*\) is removed/);
    const replaced = await restore('--into', into, '--replace', '--yes');
    expect(replaced.code, replaced.stderr).toBe(0);
    await docker('start', name);
    expect(await state(name)).toBe('1000off4MB');
    expect(await docker('exec', name, 'ls', '/var/lib/postgresql/data')).not.toContain('alien');
  });

  test('DOCK-9 a stopped container of another image, or one whose command line would end the quarantine, is refused', async () => {
    const other = await restore('--into', await create(`other-${server.name}`, 'stillpoint-test/client:15'));
    expect(other.code, other.stderr).toBe(4);
    expect(flat(other.stderr)).toMatch(/of another image than/);
    const loud = await create(
      `loud-${server.name}`,
      'stillpoint-test/postgres:15',
      'postgres',
      '-c',
      'archive_mode=on',
    );
    const refused = await restore('--into', loud);
    expect(refused.code, refused.stderr).toBe(4);
    expect(flat(refused.stderr)).toMatch(/started with archive_mode, which would end its quarantine/);
  });

  test('DOCK-9 --in-place: the stopped source itself, only when that is said', { timeout: 120_000 }, async () => {
    await server.query('DELETE FROM orders', 'shop');
    await docker('stop', server.name);
    const refused = await restore('--into', `docker:${server.name}`, '--activate', '--replace', '--yes');
    expect(refused.code, refused.stderr).toBe(4);
    expect(flat(refused.stderr)).toContain('the very server that was backed up');
    const done = await restore('--in-place', '--activate', '--replace', '--yes');
    expect(done.code, done.stderr).toBe(0);
    await docker('start', server.name);
    expect(await state(server.name)).toBe('1000on5MB');
  });
});
