import { execa } from 'execa';
import { GenericContainer, Network, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Detected, Found } from '../../src/output/detected.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { btrfs, canMount } from '../environment/disks.ts';
import { image, tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';

const available = await tryImage('postgres-15');
const noDocker = available.ok ? undefined : available.reason;
const noDisk = noDocker ?? (await canMount('btrfs'));
const unless = (reason: string | undefined): string => (reason === undefined ? '' : ` (skipped: ${reason})`);

const READY = /database system is ready to accept connections/;
const PASSWORD = 'canary-of-detect';
const BIN = '/usr/lib/postgresql/15/bin';

/** A PostgreSQL with the official image's variables. */
const postgres = (tag: string): GenericContainer =>
  new GenericContainer(tag)
    .withEnvironment({ POSTGRES_PASSWORD: PASSWORD, POSTGRES_INITDB_ARGS: '--no-sync' })
    .withStartupTimeout(150_000)
    .withWaitStrategy(Wait.forLogMessage(READY, 2));

const refOf = (container: StartedTestContainer): string => `docker:${container.getName().replace(/^\//, '')}`;
const stack = new AsyncDisposableStack();
const folder = stack.use(await makeFolder());
const env = { STILLPOINT_STATE: folder.in('state') };

async function start(container: GenericContainer): Promise<StartedTestContainer> {
  const started = await container.start();
  stack.defer(async () => {
    await execa('docker', ['rm', '--force', '--volumes', started.getId()]);
  });
  return started;
}

async function detect(...more: string[]): Promise<Detected> {
  const run = await stillpoint(['detect', '-o', 'json', ...more], { env, cwd: folder.path });
  expect(run.code, run.stderr).toBe(0);
  return JSON.parse(run.stdout) as Detected;
}

afterAll(() => stack.disposeAsync(), 120_000);

describe.skipIf(noDocker)(`DOCK-1: detection by evidence${unless(noDocker)}`, () => {
  let containers: Readonly<Record<string, StartedTestContainer>>;
  let here: Embedded;
  let detected: Detected;
  let table: string;
  const found = (name: string): Found | undefined => {
    const container = containers[name];
    return container && detected.instances.find((it) => it.ref === refOf(container));
  };
  const skipped = (name: string): string | undefined => {
    const container = containers[name];
    return container && detected.skipped.find((it) => it.ref === refOf(container))?.why;
  };

  beforeAll(async () => {
    here = stack.use(await startEmbedded());
    const tag = await image('postgres-15');
    const renamed = 'stillpoint-test/renamed-by-detect-test:1';
    await execa('docker', ['tag', tag, renamed]);
    stack.defer(async () => {
      await execa('docker', ['image', 'rm', renamed]);
    });
    const network = stack.use(await new Network().start());
    const made = {
      primary: start(postgres(tag).withNetwork(network).withNetworkAliases('primary')),
      renamed: start(postgres(renamed)),
      wrapped: start(postgres(tag).withEntrypoint(['sh', '-c', 'echo wrapped; docker-entrypoint.sh postgres & wait'])),
      two: start(postgres(tag)),
      layer: start(postgres(tag).withEnvironment({ PGDATA: '/opt/pg' })),
      memory: start(postgres(tag).withEnvironment({ PGDATA: '/memory/pg' }).withTmpFs({ '/memory': 'rw' })),
      stopped: start(postgres(tag)),
      host: start(
        postgres(tag)
          .withNetworkMode('host')
          .withCommand(['postgres', '-p', String(await freePort())]),
      ),
      client: start(new GenericContainer(await image('client-15'))),
      idle: start(new GenericContainer(await image('idle'))),
      busybox: start(
        readOnly(postgres(await image('busybox-postgres-15'))).withTmpFs({
          '/tmp': 'rw,mode=1777',
          '/run/postgresql': 'rw,uid=70,gid=70',
        }),
      ),
    };
    containers = Object.fromEntries(
      await Promise.all(Object.entries(made).map(async ([name, it]) => [name, await it] as const)),
    );
    const { primary, two, stopped } = containers;
    if (!primary || !two || !stopped) throw new Error('not started');
    await inside(two, 'postgres', `${BIN}/initdb`, '--no-sync', '-D', '/tmp/second');
    await inside(
      two,
      'postgres',
      `${BIN}/pg_ctl`,
      '-w',
      '-D',
      '/tmp/second',
      '-o',
      '-p 5433',
      '-l',
      '/tmp/log',
      'start',
    );
    await stopped.stop({ remove: false, timeout: 20_000 });
    await inside(primary, 'postgres', 'sh', '-c', 'echo "host replication all all trust" >> $PGDATA/pg_hba.conf');
    await inside(primary, 'postgres', 'psql', '-c', 'SELECT pg_reload_conf()');
    const follow = 'pg_basebackup -h primary -U postgres -D $PGDATA -R && chmod 700 $PGDATA && exec postgres';
    const standby = await start(
      postgres(tag)
        .withNetwork(network)
        .withUser('postgres')
        .withEntrypoint(['sh', '-c', follow])
        .withWaitStrategy(Wait.forLogMessage(/ready to accept read-only connections/)),
    );
    containers = { ...containers, standby };
    detected = await detect('--all');
    table = (await stillpoint(['detect'], { env, cwd: folder.path })).stdout;
  }, 240_000);

  test('an image of another name', () => {
    expect(found('renamed')).toMatchObject({
      engine: 'postgresql',
      facts: { version: expect.stringMatching(/^15\./) },
    });
  });

  test('a server that a wrapper script started', () => {
    expect(found('wrapped')).toMatchObject({ facts: { role: 'primary' } });
  });

  test('two clusters in one container are two servers, each with its own reference', async () => {
    const { two } = containers;
    if (!two) throw new Error('not started');
    const refs = [`${refOf(two)}:5432`, `${refOf(two)}:5433`];
    const [first, second] = refs.map((ref) => detected.instances.find((it) => it.ref === ref));
    expect(first?.facts?.paths.data).toBe('/var/lib/postgresql/data');
    expect(second?.facts?.paths.data).toBe('/tmp/second');
    expect(first?.facts?.serverId).not.toBe(second?.facts?.serverId);
    const both = await stillpoint(['plan', refOf(two)], { env, cwd: folder.path });
    expect(both.code).toBe(6);
    for (const ref of refs) expect(both.stderr).toContain(ref);
  });

  test("data in the container's own layer and in memory is said to be there", () => {
    expect(found('layer')?.storage[0]).toMatchObject({ kind: 'layer', path: '/opt/pg' });
    expect(found('memory')?.storage[0]).toMatchObject({ kind: 'tmpfs', path: '/memory/pg' });
    expect(table).toMatch(/container! /);
    expect(table).toMatch(/memory! /);
    expect(table.replaceAll(/\s+/g, ' ')).toContain(
      "Its data is in the container's own layer: `docker rm` deletes it.",
    );
    expect(table.replaceAll(/\s+/g, ' ')).toContain('Its data is in memory: when the container stops it is gone.');
  });

  test('a stopped server is listed, with how to start it', () => {
    const stopped = found('stopped');
    expect(stopped).toMatchObject({ version: '15', dataDirectory: '/var/lib/postgresql/data', offers: [] });
    expect(stopped?.problem?.code).toBe('stopped');
    expect(stopped?.problem?.next).toMatch(/docker start/);
  });

  test('an image that ships psql and runs no server is none, and --all says why', () => {
    expect(found('client')).toBeUndefined();
    expect(skipped('client')).toMatch(/it runs busybox, no database server/);
    expect(skipped('idle')).toMatch(/it runs busybox/);
  });

  test('a standby is known as one', () => {
    expect(found('standby')).toMatchObject({ facts: { role: 'standby' } });
    expect(found('standby')?.facts?.serverId).toBe(found('primary')?.facts?.serverId);
  });

  test('busybox only, not root, a read-only root', () => {
    expect(found('busybox')).toMatchObject({ facts: { role: 'primary' }, storage: [{ kind: 'volume' }, {}] });
    expect(found('busybox')?.offers.find((it) => it.possible)?.method).toBe('copy');
  });

  test('a server that is seen on the host and in a container is listed once', () => {
    const host = found('host');
    expect(host?.facts?.serverId).toBeDefined();
    const same = detected.instances.filter((it) => it.facts?.serverId === host?.facts?.serverId);
    expect(same.map((it) => it.ref)).toEqual([host?.ref]);
  });

  test('a server of this machine is listed, too', () => {
    expect(detected.instances.map((it) => it.ref)).toContain(`postgres://127.0.0.1:${here.port}`);
    expect(detected.instances.filter((it) => it.ref.endsWith(`:${here.port}`))).toHaveLength(1);
  });

  test('the evidence is told, and the count adds up', () => {
    for (const it of detected.instances) expect(it.because.join()).not.toBe('');
    const { containers: all, containersWithout } = detected.looked;
    const inContainers = new Set(
      detected.instances.filter((it) => it.ref.startsWith('docker:')).map((it) => it.ref.split(':')[1]),
    );
    expect(all - containersWithout).toBe(inContainers.size);
    expect(table).toMatch(
      /\d+ databases in \d+ containers and on this host, .*; \d+ without one \(--all says why\)\.\n/,
    );
    expect(table).toMatch(/\nNext: stillpoint backup docker:\S+ --to \/backups\n$/);
  });

  test('no password is in any output', async () => {
    const verbose = await stillpoint(['detect', '--all', '-v'], { env, cwd: folder.path });
    expect(`${JSON.stringify(detected)}${table}${verbose.stdout}${verbose.stderr}`).not.toContain(PASSWORD);
  });
});

describe.skipIf(noDisk)(`DOCK-2: storage${unless(noDisk)}`, () => {
  test('volume, bind, subvolume and layer; log and tablespace elsewhere; links followed', async () => {
    await using disk = await btrfs({ sizeMiB: 512 });
    await execa('btrfs', ['subvolume', 'create', `${disk.path}/data`]);
    await execa('btrfs', ['subvolume', 'create', `${disk.path}/wal`]);
    const tag = await image('postgres-15');
    await using server = await postgres(tag)
      .withBindMounts([
        { source: `${disk.path}/data`, target: '/var/lib/postgresql/data' },
        { source: `${disk.path}/wal`, target: '/wal' },
      ])
      .withEnvironment({ POSTGRES_INITDB_WALDIR: '/wal/pg_wal' })
      .start();
    await inside(server, 'root', 'install', '-d', '-o', 'postgres', '/srv/fast');
    await inside(server, 'postgres', 'psql', '-c', "CREATE TABLESPACE fast LOCATION '/srv/fast'");
    await inside(server, 'root', 'ln', '-s', '/var/lib/postgresql', '/srv/link');

    const { instances } = await detect();
    const [data, log, fast] = instances.find((it) => it.ref === refOf(server))?.storage ?? [];
    expect(data).toMatchObject({ kind: 'bind', fileSystem: 'btrfs', hostPath: `${disk.path}/data` });
    expect(log).toMatchObject({ kind: 'bind', fileSystem: 'btrfs', hostPath: `${disk.path}/wal/pg_wal` });
    expect(fast).toMatchObject({ kind: 'layer', path: '/srv/fast' });
    // Two subvolumes of one file system are two volumes: no snapshot cuts them at once.
    expect(data?.id).not.toBe(log?.id);
    const text = (await stillpoint(['detect'], { env, cwd: folder.path })).stdout.replaceAll(/\s+/g, ' ');
    expect(text).toContain('/srv/fast is on another volume (overlay).');
    expect(text).toContain('/var/lib/postgresql/data/pg_wal is on another volume (btrfs).');
  });
});

async function inside(container: StartedTestContainer, user: string, ...argv: string[]): Promise<string> {
  return (await execa('docker', ['exec', '--user', user, container.getId(), ...argv])).stdout;
}

/** Testcontainers has no word for it. */
function readOnly(container: GenericContainer): GenericContainer {
  (container as unknown as { hostConfig: { ReadonlyRootfs?: boolean } }).hostConfig.ReadonlyRootfs = true;
  return container;
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
