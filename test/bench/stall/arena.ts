import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { execa } from 'execa';
import { type Address, connect } from '../../bank/client.ts';
import type { ServerName } from '../../bank/schema.ts';
import { btrfs } from '../../environment/disks.ts';
import { images } from '../../environment/images.ts';
import { PASSWORD as POSTGRES_PASSWORD, startServer } from '../../support/containers.ts';
import { PASSWORD as MARIADB_PASSWORD, startMariadb } from '../../support/mariadb.ts';
import type { Span, WriterOrders } from './writers.ts';

export interface StallServer {
  readonly name: string;
  readonly engine: ServerName;
  /** Of the container. */
  readonly container: string;
  readonly login: { readonly user: string; readonly password: string };
}

/** Servers on one btrfs subvolume, and writers on all of them. */
export interface StallArena extends AsyncDisposable {
  readonly servers: readonly StallServer[];
  readonly subvolume: string;
  /** Locks the tables of one PostgreSQL for so many milliseconds, as anybody might. */
  stop(name: string, millis: number): Promise<void>;
  /** A snapshot that `clear` removes: while one is being deleted, single cuts take a second. */
  taken(path: string): void;
  clear(): Promise<void>;
  /** The longest that any writer had to wait for a write in this span. */
  longest(span: Span): Promise<number>;
}

interface Started extends AsyncDisposable {
  readonly server: Omit<StallServer, 'name'>;
  readonly address: Address;
}

/** Half of them PostgreSQL, half MariaDB, each with `tables` tables. */
export async function openStallArena(count: number, tables: number): Promise<StallArena> {
  const stack = new AsyncDisposableStack();
  try {
    const disk = stack.use(await btrfs({ sizeMiB: 6144 }));
    const subvolume = join(disk.path, 'servers');
    await execa('btrfs', ['subvolume', 'create', subvolume]);
    const started: Started[] = [];
    const snapshots: string[] = [];
    for (let n = 0; n < count; n++) {
      const engine: ServerName = n % 2 === 0 ? 'postgres' : 'mariadb';
      const source = join(subvolume, `${engine}-${n}`);
      await mkdir(source);
      started.push(stack.use(await (engine === 'postgres' ? postgres(source, tables) : mariadb(source, tables))));
    }
    const orders: WriterOrders = {
      servers: started.map(({ server, address }) => ({ engine: server.engine, address })),
      writersPerServer: 2,
      pause: 1,
    };
    const worker = new Worker(new URL('./writers.ts', import.meta.url), { workerData: orders });
    const failed = new Promise<never>((_, reject) => worker.on('error', reject));
    failed.catch(() => undefined);
    stack.defer(async () => {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.postMessage('stop');
      await ended;
    });
    const servers = started.map(({ server }, n) => ({ ...server, name: `${server.engine}-${n}` }));
    return {
      servers,
      subvolume,
      async stop(name, millis) {
        const address = started[servers.findIndex((it) => it.name === name)]?.address;
        if (!address) throw new Error(`there is no ${name}`);
        await using client = await connect('postgres', address);
        await client.transact(
          ['LOCK TABLE t1, t2, t3, t4, t5, t6, t7, t8, t9, t10'],
          ['SELECT pg_sleep(?)', millis / 1000],
        );
      },
      taken: (path) => void snapshots.push(path),
      async clear() {
        await execa('btrfs', ['subvolume', 'delete', ...snapshots.splice(0)]);
        // The cleaner begins with the next commit.
        await execa('btrfs', ['filesystem', 'sync', disk.path]);
        await execa('btrfs', ['subvolume', 'sync', disk.path]);
      },
      async longest(span) {
        const answer = new Promise<number>((resolve) => worker.once('message', resolve));
        worker.postMessage(span);
        return await Promise.race([answer, failed]);
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (cause) {
    await stack.disposeAsync();
    throw cause;
  }
}

async function postgres(source: string, tables: number): Promise<Started> {
  const target = images['postgres-15'].dataDirectory ?? '';
  const server = await startServer({
    binds: [{ source, target }],
    command: ['-c', 'max_locks_per_transaction=512'],
  });
  await server.query('CREATE DATABASE bench');
  await server.query(
    `DO $$ BEGIN FOR n IN 1..${tables} LOOP EXECUTE format('CREATE TABLE t%s (id bigint PRIMARY KEY)', n); END LOOP; END $$`,
    'bench',
  );
  const login = { user: 'postgres', password: POSTGRES_PASSWORD };
  const { host = '', port = 0 } = server.login();
  return {
    server: { engine: 'postgres', container: server.name, login },
    address: { host, port, database: 'bench', ...login },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function mariadb(source: string, tables: number): Promise<Started> {
  const target = images['mariadb-10.11'].dataDirectory ?? '';
  const server = await startMariadb({
    binds: [{ source, target }],
    command: ['--log-bin=binlog', '--server-id=3', '--innodb-log-file-size=16M', '--table-open-cache=6000'],
  });
  await server.query('CREATE DATABASE bench');
  for (let n = 1; n <= tables; n += 100) {
    const some = Array.from({ length: Math.min(100, tables - n + 1) }, (_, at) => n + at);
    await server.query(
      `USE bench; ${some.map((it) => `CREATE TABLE t${it} (id bigint PRIMARY KEY) ENGINE = InnoDB`).join('; ')}`,
    );
  }
  const login = { user: 'root', password: MARIADB_PASSWORD };
  return {
    server: { engine: 'mariadb', container: server.name, login },
    address: { host: server.login.host ?? '', port: server.login.port ?? 0, database: 'bench', ...login },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
