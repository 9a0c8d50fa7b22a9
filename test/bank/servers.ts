import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { btrfs, type Disk } from '../environment/disks.ts';
import { images } from '../environment/images.ts';
import { PASSWORD as POSTGRES_PASSWORD, type Server, startServer } from '../support/containers.ts';
import { PASSWORD as MARIADB_PASSWORD, type MariadbServer, startMariadb } from '../support/mariadb.ts';
import type { Address } from './client.ts';
import { SCHEMA, type ServerName } from './schema.ts';

export interface BankOptions {
  /** Where the data lies: in Docker's own volumes, or on btrfs, both in one subvolume or each in its own. */
  readonly storage: 'volumes' | 'one subvolume' | 'two subvolumes';
  /** Relaxed: the servers acknowledge commits that are not on disk yet. */
  readonly durability: 'strict' | 'relaxed';
  /** What the containers are called; Docker's own choice when absent. */
  readonly names?: Readonly<Record<ServerName, string>>;
}

/** The bank's two servers in containers, opened and empty of transfers. */
export interface Bank extends AsyncDisposable {
  readonly postgres: Server;
  readonly mariadb: MariadbServer;
  readonly addresses: Readonly<Record<ServerName, Address>>;
  readonly logins: Readonly<Record<ServerName, { readonly user: string; readonly password: string }>>;
  /** Where the btrfs is mounted that their data lie on, if they do. */
  readonly disk?: string;
}

const RELAXED = {
  postgres: ['-c', 'synchronous_commit=off', '-c', 'wal_writer_delay=1s'],
  mariadb: ['--innodb-flush-log-at-trx-commit=0', '--sync-binlog=0'],
};

export async function startBank({ storage, durability, names }: BankOptions): Promise<Bank> {
  const stack = new AsyncDisposableStack();
  try {
    const disk = storage === 'volumes' ? undefined : stack.use(await btrfs({ sizeMiB: 4096 }));
    const folders = disk && (await foldersOn(disk, storage === 'one subvolume'));
    const relaxed = durability === 'relaxed';
    const bind = (source: string | undefined, target: string | undefined) =>
      source === undefined || target === undefined ? {} : { binds: [{ source, target }] };
    const [postgres, mariadb] = await Promise.all([
      startServer({
        ...(names && { name: names.postgres }),
        command: relaxed ? RELAXED.postgres : [],
        ...bind(folders?.postgres, images['postgres-15'].dataDirectory),
      }).then((it) => stack.use(it)),
      startMariadb({
        ...(names && { name: names.mariadb }),
        command: [
          '--log-bin=binlog',
          '--server-id=3',
          '--innodb-log-file-size=16M',
          ...(relaxed ? RELAXED.mariadb : []),
        ],
        ...bind(folders?.mariadb, images['mariadb-10.11'].dataDirectory),
      }).then((it) => stack.use(it)),
    ]);
    await postgres.query('CREATE DATABASE bank');
    for (const statement of SCHEMA.postgres) await postgres.query(statement, 'bank');
    await mariadb.query(`CREATE DATABASE bank; USE bank; ${SCHEMA.mariadb.join('; ')}`);
    const { host, port } = postgres.login();
    const logins = {
      postgres: { user: 'postgres', password: POSTGRES_PASSWORD },
      mariadb: { user: 'root', password: MARIADB_PASSWORD },
    };
    return {
      postgres,
      mariadb,
      logins,
      ...(disk && { disk: disk.path }),
      addresses: {
        postgres: { host: host ?? '', port: port ?? 0, database: 'bank', ...logins.postgres },
        mariadb: {
          host: mariadb.login.host ?? '',
          port: mariadb.login.port ?? 0,
          database: 'bank',
          ...logins.mariadb,
        },
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (cause) {
    await stack.disposeAsync();
    throw cause;
  }
}

async function foldersOn(disk: Disk, shared: boolean): Promise<Readonly<Record<ServerName, string>>> {
  const subvolume = async (name: string): Promise<string> => {
    const path = join(disk.path, name);
    await execa('btrfs', ['subvolume', 'create', path]);
    return path;
  };
  if (!shared) return { postgres: await subvolume('postgres'), mariadb: await subvolume('mariadb') };
  const bank = await subvolume('bank');
  const folders = { postgres: join(bank, 'postgres'), mariadb: join(bank, 'mariadb') };
  for (const folder of Object.values(folders)) await mkdir(folder);
  return folders;
}
