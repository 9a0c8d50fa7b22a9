import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { stringify } from 'yaml';
import type { Address } from '../bank/client.ts';
import { SERVERS, type ServerName } from '../bank/schema.ts';
import { type Bank, type BankOptions, startBank } from '../bank/servers.ts';
import { type Mount, tmpfs } from '../fault/mounts.ts';
import { type Finished, type Line, makeFolder, stillpoint } from '../support/cli.ts';
import { PASSWORD as MARIADB_PASSWORD } from '../support/mariadb.ts';
import type { Daemon } from './daemon.ts';
import { startTicker, type Ticker } from './ticker.ts';

export const HOLD_LIMIT = 3_000;
const STORE_BYTES = 2 ** 28;

/** Two servers with writers on them, a store of its own, and the command line as a process. */
export interface Arena extends AsyncDisposable {
  readonly bank: Bank;
  readonly tickers: Readonly<Record<ServerName, Ticker>>;
  readonly store: Mount;
  readonly folder: string;
  /** Where Docker is one that may be killed. */
  readonly daemon?: Daemon;
  run(args: readonly string[], onLine?: (line: Line, pid: number) => void): Promise<Finished>;
  /** Manifests that are there. */
  listed(): Promise<number>;
  /** What of ours is left: sessions and slots on the servers, snapshots on their disk. */
  left(): Promise<readonly string[]>;
  emptyStore(): Promise<void>;
}

export interface ArenaOptions extends BankOptions {
  readonly methods: Readonly<Record<ServerName, string>>;
  /** Must be the one that DOCKER_HOST names. */
  readonly daemon?: Daemon;
  /** Snapshots are cut by a program of the configuration, which hangs where a file `hang` lies in the arena's folder. */
  readonly hanging?: true;
}

export async function openArena({ methods, hanging, daemon, ...options }: ArenaOptions): Promise<Arena> {
  const stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await makeFolder());
    const store = stack.use(await tmpfs(STORE_BYTES));
    const bank = stack.use(await startBank(options));
    await bank.postgres.query('CREATE TABLE ticks (id bigint PRIMARY KEY)', 'bank');
    await bank.mariadb.query('CREATE TABLE bank.ticks (id bigint PRIMARY KEY) ENGINE = InnoDB');
    const repository = join(store.path, 'repository');
    const file = folder.in('stillpoint.yaml');
    const sources = Object.fromEntries(
      SERVERS.map((name) => [name, { ref: `docker:${bank[name].name}`, method: methods[name] }]),
    );
    const job = { sources, hold: `${HOLD_LIMIT / 1000}s`, repository: 'local' };
    await writeFile(
      file,
      stringify({
        repositories: { local: { directory: repository } },
        jobs: { bank: job },
        ...(hanging && { snapshotters: await hangingSnapshotter(folder.path, bank) }),
      }),
    );
    const env = {
      STILLPOINT_CONFIG: file,
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
      ...(process.env.DOCKER_HOST === undefined ? {} : { DOCKER_HOST: process.env.DOCKER_HOST }),
    };
    const ticker = (name: ServerName): Ticker => stack.use(startTicker(name, () => inside(bank, name)));
    const backups = join(repository, 'backups', 'bank');
    return {
      bank,
      store,
      folder: folder.path,
      ...(daemon && { daemon }),
      tickers: { postgres: ticker('postgres'), mariadb: ticker('mariadb') },
      run: (args, onLine) =>
        stillpoint([...args, '-o', 'ndjson'], { env, ...(onLine === undefined ? {} : { onLine }) }),
      async listed() {
        const names = await readdir(backups).catch(() => []);
        return names.filter((it) => existsSync(join(backups, it, 'manifest.json'))).length;
      },
      left: () => leftOn(bank),
      emptyStore: () => rm(backups, { recursive: true, force: true }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (cause) {
    await stack.disposeAsync();
    throw cause;
  }
}

/** The subvolume is named "bank" by `startBank`, with both servers in it. */
async function hangingSnapshotter(folder: string, { disk }: Bank): Promise<Readonly<Record<string, unknown>>> {
  if (disk === undefined) throw new Error('snapshots need a disk');
  const program = join(folder, 'create');
  await writeFile(
    program,
    `#!/bin/sh\nif [ -e '${folder}/hang' ]; then sleep 600; fi\nexec btrfs subvolume snapshot -r "$1" "$2"\n`,
    { mode: 0o755 },
  );
  const snapshots = join(disk, 'snapshots');
  await mkdir(snapshots, { recursive: true });
  const covers = join(disk, 'bank');
  return {
    pool: {
      covers,
      create: [program, covers, `${snapshots}/{name}`],
      find: ['ls', '-1', snapshots],
      remove: ['btrfs', 'subvolume', 'delete', `${snapshots}/{name}`],
      keep: ['mv', '--no-target-directory', `${snapshots}/{name}`, `${snapshots}/{kept}`],
      files: `${snapshots}/{name}`,
      timeout: '5s',
    },
  };
}

/** Where a server is now: Docker gives a restarted container another port. */
async function inside(bank: Bank, name: ServerName): Promise<Address> {
  const { NetworkSettings } = await new Docker().getContainer(bank[name].name).inspect();
  const host = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? '';
  return { ...bank.addresses[name], host, port: name === 'postgres' ? 5432 : 3306 };
}

/** Asked by the servers' own clients: a restarted container has another port. */
async function leftOn(bank: Bank): Promise<readonly string[]> {
  const sessions = await ask(bank.postgres.name, [
    'psql',
    ...['-U', 'postgres', '-Atc'],
    "SELECT application_name FROM pg_stat_activity WHERE application_name ~ '^stillpoint/' UNION ALL SELECT slot_name FROM pg_replication_slots",
  ]);
  const locks = await ask(bank.mariadb.name, [
    'mariadb',
    ...['-u', 'root', '-NBe'],
    "SELECT CONCAT('session ', p.id) FROM information_schema.PROCESSLIST p WHERE IS_USED_LOCK(CONCAT('stillpoint/', p.id)) = p.id",
  ]);
  const { disk } = bank;
  const places = disk === undefined ? [] : [join(disk, '.stillpoint'), join(disk, 'snapshots')];
  const snapshots = (await Promise.all(places.map((it) => readdir(it).catch(() => [])))).flat();
  return [...sessions, ...locks, ...snapshots.map((it) => `snapshot ${it}`)];
}

async function ask(container: string, argv: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await execa('docker', ['exec', '-e', 'MYSQL_PWD', container, ...argv], {
    env: { MYSQL_PWD: MARIADB_PASSWORD },
  });
  return stdout.split('\n').filter((it) => it !== '');
}
