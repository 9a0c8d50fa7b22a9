import { readdir } from 'node:fs/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbedded } from '../embedded/postgres.ts';
import { tryImage } from '../environment/images.ts';
import { type Line, makeFolder, stillpoint } from '../support/cli.ts';
import { type Server, startServer, until } from '../support/containers.ts';

const found = await tryImage('postgres-15');
const title = (text: string): string => (found.ok ? text : `${text} (skipped: ${found.reason})`);

const METHODS = ['copy', 'dump'] as const;

describe.skipIf(!found.ok)(title('the twin of verify'), () => {
  let server: Server;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  const docker = new Docker();
  const env = (): Record<string, string> => ({
    STILLPOINT_STATE: folder.in('state'),
    STILLPOINT_SCRATCH: folder.in('scratch'),
  });
  const run = (args: readonly string[], onLine?: (line: Line, pid: number) => void) =>
    stillpoint([...args, '-o', 'ndjson'], { env: env(), ...(onLine ? { onLine } : {}) });
  const verify = (method: string, onLine?: (line: Line, pid: number) => void) =>
    run(['verify', 'latest', '--from', folder.in(method)], onLine);
  const runs = async (): Promise<readonly string[]> =>
    (await readdir(folder.in('state/runs')).catch(() => [])).map((it) => it.replace('.json', ''));
  const twinsOf = async (id: string | undefined): Promise<readonly Docker.ContainerInfo[]> =>
    docker.listContainers({ all: true, filters: { label: [`stillpoint.run=${id}`] } });
  const volumesOf = async (id: string | undefined): Promise<readonly unknown[]> =>
    (await docker.listVolumes({ filters: { label: [`stillpoint.run=${id}`] } })).Volumes ?? [];
  /** Lets somebody look while the runner stands still. */
  const atRecovered = (look: (pid: number) => Promise<void>) => {
    let looking: Promise<void> | undefined;
    const onLine = (line: Line, pid: number): void => {
      if (line.event !== 'recovered') return;
      process.kill(pid, 'SIGSTOP');
      looking = look(pid);
      looking.catch(() => process.kill(pid, 'SIGKILL'));
    };
    return { onLine, done: () => looking ?? Promise.reject(new Error('it never recovered')) };
  };

  beforeAll(async () => {
    folder = await makeFolder();
    server = await startServer({
      command: ['-c', 'archive_mode=on', '-c', 'archive_command=true', '-c', 'shared_preload_libraries=auto_explain'],
    });
    await server.query(
      'CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g; CREATE TABLE other (a int)',
    );
    for (const method of METHODS) {
      const done = await run(['backup', `docker:${server.name}`, '--to', folder.in(method), '--method', method]);
      expect(done.code, done.stderr).toBe(0);
    }
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test.each(METHODS)(
    'DOCK-8 the twin of a %s, seen from outside: the same image digest, no network, nothing of the source mounted, quarantined, gone afterwards',
    { timeout: 120_000 },
    async (method) => {
      const source = await docker.getContainer(server.name).inspect();
      let id: string | undefined;
      const { onLine, done } = atRecovered(async (pid) => {
        [id] = await runs();
        const [twin, ...more] = await twinsOf(id);
        expect(more).toEqual([]);
        const { Image, HostConfig, NetworkSettings, Mounts } = await docker.getContainer(twin?.Id ?? '').inspect();
        expect(Image).toBe(source.Image);
        expect(HostConfig.NetworkMode).toBe('none');
        expect(Object.values(NetworkSettings.Networks).map((it) => it.IPAddress)).toEqual(['']);
        expect(HostConfig.CapDrop).toEqual(['ALL']);
        const sources = source.Mounts.map((it) => it.Source);
        expect(Mounts.filter((it) => sources.includes(it.Source))).toEqual([]);
        const { stdout: networks } = await execa('docker', ['exec', twin?.Id ?? '', 'cat', '/proc/net/dev']);
        expect(
          networks
            .split('\n')
            .slice(2)
            .map((it) => it.trim().split(':')[0]),
        ).toEqual(['lo']);
        const ask = `SELECT current_setting('archive_mode') || ' ' || current_setting('shared_preload_libraries')
        || ' ' || current_setting('max_logical_replication_workers') || ' ' || current_setting('listen_addresses') || ' ' || (SELECT count(*) FROM orders)`;
        const psql = ['exec', twin?.Id ?? '', 'psql', '-h', '/stillpoint/run', '-U', 'postgres', '-Atc', ask];
        expect((await execa('docker', psql)).stdout).toBe('off  0  1000');
        process.kill(pid, 'SIGCONT');
      });
      const finished = await verify(method, onLine);
      await done();
      expect(finished.code, finished.stderr).toBe(0);
      expect([await twinsOf(id), await volumesOf(id), await readdir(folder.in('scratch')).catch(() => [])]).toEqual([
        [],
        [],
        [],
      ]);
    },
  );

  test.each(METHODS)(
    'DOCK-8 SIGKILL of verify of a %s at every event: nothing of the twin is left, and the next verify succeeds',
    { timeout: 240_000 },
    async (method) => {
      for (const at of ['restoring', 'recovered', 'compared', 'verified']) {
        const killed = await verify(method, (line, pid) => {
          if (line.event === at) process.kill(pid, 'SIGKILL');
        });
        // With its last event it may end before the signal arrives.
        if (at !== 'verified') expect(killed.signal, at).toBe('SIGKILL');
        const [id] = await runs();
        const recovered = await run(['recover', '--from', folder.in(method)]);
        expect(recovered.code, `${at}: ${recovered.stderr}`).toBe(0);
        // What Docker removes by itself, because the runner is gone, may take a moment.
        await until(async () => (await twinsOf(id)).length + (await volumesOf(id)).length === 0);
        expect([await runs(), await readdir(folder.in('scratch')).catch(() => [])], at).toEqual([[], []]);
      }
      const next = await verify(method);
      expect(next.code, next.stderr).toBe(0);
    },
  );

  test('DOCK-8 a twin that cannot notice the death of its runner is named by recover, and removed with its volume', {
    timeout: 120_000,
  }, async () => {
    let id: string | undefined;
    let volume = '';
    const { onLine, done } = atRecovered(async (pid) => {
      [id] = await runs();
      const [twin] = await twinsOf(id);
      volume = twin?.Mounts[0]?.Name ?? '';
      await docker.getContainer(twin?.Id ?? '').pause();
      process.kill(pid, 'SIGKILL');
    });
    await verify('copy', onLine);
    await done();
    expect(await twinsOf(id)).toHaveLength(1);
    // Another run's is not touched, whatever it is asked.
    const wrong = await run(['recover', '--run', '00000000']);
    expect(wrong.lines.filter((it) => it.event === 'removed')).toEqual([]);
    const recovered = await run(['recover', '--from', folder.in('copy')]);
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(recovered.lines).toContainEqual(
      expect.objectContaining({ event: 'removed', run: id, what: expect.stringMatching(/throwaway container/) }),
    );
    expect(await twinsOf(id)).toEqual([]);
    expect(volume).not.toBe('');
    await expect(docker.getVolume(volume).inspect()).rejects.toMatchObject({ statusCode: 404 });
    const next = await verify('copy');
    expect(next.code, next.stderr).toBe(0);
  });

  test('DOCK-9 SIGKILL of restore --as: recover removes the container that was never started, with its volume', async () => {
    const name = `half-${server.name}`;
    const killed = await run(['restore', 'latest', '--from', folder.in('copy'), '--as', 'half-'], (line, pid) => {
      if (line.event === 'recovered') process.kill(pid, 'SIGKILL');
    });
    expect(killed.signal).toBe('SIGKILL');
    expect((await docker.getContainer(name).inspect()).State.Status).toBe('created');
    const recovered = await run(['recover', '--from', folder.in('copy')]);
    expect(recovered.code, recovered.stderr).toBe(0);
    expect(recovered.lines).toContainEqual(
      expect.objectContaining({ event: 'removed', kind: 'restored', what: expect.stringContaining(`${name}-data`) }),
    );
    await expect(docker.getContainer(name).inspect()).rejects.toMatchObject({ statusCode: 404 });
    await expect(docker.getVolume(`${name}-data`).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });
});

test('DOCK-8 SIGKILL of verify on the host: recover ends the throwaway server and removes its folder, and the next verify succeeds', {
  timeout: 120_000,
}, async () => {
  await using server = await startEmbedded();
  await using folder = await makeFolder();
  await server.query('CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g');
  const env = {
    STILLPOINT_USER: server.user,
    STILLPOINT_PASSWORD_FILE: server.passwordFile,
    STILLPOINT_STATE: folder.in('state'),
    STILLPOINT_SCRATCH: folder.in('scratch'),
  };
  const run = (args: readonly string[], onLine?: (line: Line, pid: number) => void) =>
    stillpoint([...args, '-o', 'ndjson'], { env, ...(onLine ? { onLine } : {}) });
  const backup = await run(['backup', server.url, '--to', folder.in('repository')]);
  expect(backup.code, backup.stderr).toBe(0);
  const verify = ['verify', 'latest', '--from', folder.in('repository')];
  const killed = await run(verify, (line, pid) => {
    if (line.event === 'recovered') process.kill(pid, 'SIGKILL');
  });
  expect(killed.signal).toBe('SIGKILL');
  expect(await readdir(folder.in('scratch'))).toHaveLength(1);
  const recovered = await run(['recover', '--from', folder.in('repository')]);
  expect(recovered.code, recovered.stderr).toBe(0);
  expect(recovered.lines).toContainEqual(
    expect.objectContaining({ event: 'removed', what: expect.stringMatching(/throwaway server in .*scratch/) }),
  );
  expect(await readdir(folder.in('scratch'))).toEqual([]);
  const next = await run(verify);
  expect(next.code, next.stderr).toBe(0);
});
