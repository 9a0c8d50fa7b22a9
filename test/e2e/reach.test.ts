import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { execa, type Result } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressesOf, dialPort } from '../../src/runtimes/docker/dial.ts';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { PASSWORD } from '../support/containers.ts';
import { ask } from '../support/psql.ts';

const found = await tryImage('postgres-15');
const title = (text: string): string => (found.ok ? text : `${text} (skipped: ${found.reason})`);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe.skipIf(!found.ok)(title('reaching a server in a container'), () => {
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let network = '';
  const made: string[] = [];
  const docker = async (...args: string[]): Promise<string> => (await execa('docker', args)).stdout;
  const start = async (name: string, ...args: string[]): Promise<string> => {
    const full = `${network}-${name}`;
    made.push(full);
    await docker('run', '-d', '--name', full, '--network', network, ...args, 'stillpoint-test/postgres:15');
    await ask(full, 'postgres', 'SELECT 1');
    return full;
  };
  /** Stillpoint in a container beside the server: with the daemon's socket, on the same network, and nothing else of the host. */
  const beside = async (
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Pick<Result, 'exitCode' | 'stdout' | 'stderr'>> => {
    const mounts = [ROOT, await realpath(join(ROOT, 'node_modules')), dirname(await realpath(process.execPath))];
    const given = { STILLPOINT_STATE: folder.in('state'), STILLPOINT_SCRATCH: folder.in('scratch'), ...env };
    return execa(
      'docker',
      [
        ...['run', '--rm', '--network', network, '-v', '/var/run/docker.sock:/var/run/docker.sock'],
        ...[...new Set(mounts)].flatMap((it) => ['-v', `${it}:${it}:ro`]),
        ...['-v', `${folder.path}:${folder.path}`],
        ...Object.entries(given).flatMap(([key, value]) => ['-e', `${key}=${value}`]),
        ...['--entrypoint', await realpath(process.execPath), 'stillpoint-test/postgres:15'],
        ...[join(ROOT, 'src', 'cli.ts'), ...args],
      ],
      { reject: false },
    );
  };
  const plan = (name: string): readonly string[] => ['plan', `docker:${name}`, '--method', 'dump', '-o', 'json'];

  beforeAll(async () => {
    folder = await makeFolder();
    network = `reach-${Date.now().toString(36)}`;
    await docker('network', 'create', network);
  });
  afterAll(async () => {
    for (const name of made) await execa('docker', ['rm', '-f', '-v', name], { reject: false });
    await execa('docker', ['network', 'rm', network], { reject: false });
    await folder?.[Symbol.asyncDispose]();
  });

  test('DOCK-4 from a container beside the server: detected, backed up by dump and by copy, and verified', {
    timeout: 240_000,
  }, async () => {
    const name = await start('both', '-e', `POSTGRES_PASSWORD=${PASSWORD}`);
    await ask(name, 'postgres', 'CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g');
    const detected = await beside(['detect', '-o', 'json']);
    expect(detected.exitCode, String(detected.stderr)).toBe(0);
    expect(String(detected.stdout)).toContain(`docker:${name}`);
    for (const method of ['dump', 'copy']) {
      const to = folder.in(method);
      const done = await beside(['backup', `docker:${name}`, '--method', method, '--to', to]);
      expect(done.exitCode, String(done.stderr)).toBe(0);
      const verified = await beside(['verify', 'latest', '--from', to]);
      expect(verified.exitCode, String(verified.stderr)).toBe(0);
      expect(String(verified.stdout)).toContain('identical to what was captured');
    }
  });

  test('DOCK-4 credentials in their order: configuration, container, its _FILE; a wrong one is refused by name', {
    timeout: 120_000,
  }, async () => {
    await execa('sh', ['-c', `printf '%s\\n' "$1" > "$2"`, 'sh', `${PASSWORD}-file`, folder.in('secret')]);
    const file = await start(
      'file',
      '-v',
      `${folder.in('secret')}:/run/secret:ro`,
      '-e',
      'POSTGRES_PASSWORD_FILE=/run/secret',
    );
    const own = await beside(plan(file));
    expect(own.exitCode, String(own.stderr)).toBe(0);
    // What is said outside of the container comes first, and the container's is not tried after it.
    const wrong = await beside(plan(file), { STILLPOINT_PASSWORD: 'nonsense' });
    expect(wrong.exitCode).toBe(5);
    expect(String(wrong.stderr)).toMatch(/login-refused/);
    const env = await start('env', '-e', 'POSTGRES_PASSWORD=of-the-container');
    expect((await beside(plan(env))).exitCode).toBe(0);
    await ask(env, 'postgres', `ALTER ROLE postgres PASSWORD '${PASSWORD}'`);
    expect((await beside(plan(env))).exitCode).toBe(5);
    const configuration = JSON.stringify({
      repositories: { local: { directory: folder.in('configured') } },
      jobs: {
        job: {
          repository: 'local',
          sources: { pg: { ref: `docker:${env}`, user: 'postgres', password: { file: folder.in('right') } } },
        },
      },
    });
    await execa('sh', [
      '-c',
      `printf '%s' "$1" > "$2"; printf '%s' "$3" > "$4"`,
      'sh',
      configuration,
      folder.in('stillpoint.yaml'),
      PASSWORD,
      folder.in('right'),
    ]);
    const configured = await beside(['plan', 'job', '-c', folder.in('stillpoint.yaml'), '-o', 'json']);
    expect(configured.exitCode, String(configured.stderr)).toBe(0);
    // On the machine itself the server's own socket lets in whom it trusts, whatever the container's password was.
    const socket = await stillpoint(['plan', `docker:${env}`, '-o', 'json'], {
      env: { STILLPOINT_STATE: folder.in('state') },
    });
    expect(socket.code, socket.stderr).toBe(process.getuid?.() === 0 ? 0 : 5);
  });

  test('DOCK-4 every address leads to the server: its own, and the one where its port is published', async () => {
    const name = await start('ports', '-e', `POSTGRES_PASSWORD=${PASSWORD}`, '-p', '127.0.0.1::5432');
    const api = new Docker();
    const addresses = await addressesOf(api, await api.getContainer(name).inspect(), 5432);
    expect(addresses.map((it) => it.host)).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/), '127.0.0.1']);
    const ref = { kind: 'docker', name } as const;
    // One that nothing answers at (RFC 5737) does not hide the next.
    for (const tried of [...addresses.map((it) => [it]), [{ host: '192.0.2.1', port: 5432 }, ...addresses.slice(1)]]) {
      const stream = await dialPort(tried, 5432, ref);
      // SSLRequest (manual 55.2.11): one byte comes back, S or N.
      stream.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
      const [answer] = await new Promise<Buffer[]>((resolve) => stream.once('data', (it: Buffer) => resolve([it])));
      expect(answer?.toString()).toMatch(/^[SN]$/);
      stream.destroy();
    }
  });
});
