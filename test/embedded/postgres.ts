import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import pg from 'pg';
import { abandoned, signal } from './end.ts';
import { makeFolder } from './folder.ts';
import { installInto } from './installation.ts';

export interface EmbeddedOptions {
  /** For postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Created beside `postgres`. */
  readonly databases?: readonly string[];
  /** Created by name, in folders outside the data directory. */
  readonly tablespaces?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  /** Where its temporary folder goes; other users must be able to enter it. Default: /var/tmp. */
  readonly parent?: string;
}

/** A PostgreSQL of this process. Dispose stops it and removes every byte; so does the end of the process, however it ends. */
export interface Embedded extends AsyncDisposable {
  readonly port: number;
  readonly dataDirectory: string;
  /** Folder of postgres, initdb and pg_ctl; there is no psql. */
  readonly binaries: string;
  readonly user: string;
  readonly password: string;
  /** A file of mode 0600 that holds the password. */
  readonly passwordFile: string;
  readonly socketDirectory: string;
  /** As a reference for Stillpoint: without the password. */
  readonly url: string;
  /** Who the server runs as. */
  readonly uid: number;
  /** Its temporary folder; what else is put there is removed with it. */
  readonly folder: string;
  /** What the server has printed. */
  readonly logFile: string;
  /** Of the postmaster; undefined when it does not run. */
  readonly pid: number | undefined;
  /** For `new pg.Client(…)`, over TCP. */
  login(database?: string): pg.ClientConfig & { readonly database: string };
  /** Runs statements in a session of their own. */
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[], database?: string): Promise<R[]>;
  /** Fast shutdown, in order. */
  stop(): Promise<void>;
  /** Again, on the same port. */
  start(): Promise<void>;
  /** SIGKILL: the next start must recover. */
  kill(): Promise<void>;
  /** Leaves the server and its folder behind when this process ends. Not to be disposed after that. */
  keep(): Promise<void>;
}

/** nobody: initdb looks its user up, and this one is in every passwd. */
const NOBODY = 65534;
const USER = 'postgres';

export async function startEmbedded(options: EmbeddedOptions = {}): Promise<Embedded> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(await makeFolder(options.parent));
  const root = process.getuid?.() === 0;
  const uid = root ? NOBODY : (process.getuid?.() ?? NOBODY);
  const as = root ? { uid: NOBODY, gid: NOBODY } : {};
  const owned = async (name: string, mode: number) => {
    const path = join(folder.path, name);
    await mkdir(path, { mode });
    if (root) await chown(path, NOBODY, NOBODY);
    return path;
  };
  const binaries = await installInto(join(folder.path, 'postgresql'));
  const dataDirectory = await owned('data', 0o700);
  const socketDirectory = await owned('run', 0o755);
  const logFile = join(folder.path, 'server.log');
  const passwordFile = join(folder.path, 'password');
  const password = randomBytes(12).toString('hex');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (root) await chown(passwordFile, NOBODY, NOBODY);

  // -N skips only initdb's own fsync; the server keeps its defaults, durability included.
  const initdb = ['-D', dataDirectory, '-U', USER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  await execa(join(binaries, 'initdb'), [...initdb, '-N', '-E', 'UTF8', '--locale=C', '--no-instructions'], {
    ...as,
    cwd: folder.path,
    env: { TZ: 'UTC' },
  });

  let server: ChildProcess | undefined;
  let port = options.port ?? (await freePort());
  const login = (database = 'postgres') => ({ host: '127.0.0.1', port, user: USER, password, database });

  const start = async () => {
    if (server !== undefined) throw new Error(`PostgreSQL on port ${port} runs already`);
    await using log = await open(logFile, 'a');
    // In a session of its own: Ctrl-C in a terminal is for the program that uses it.
    const child = spawn(join(binaries, 'postgres'), ['-D', dataDirectory], {
      ...as,
      cwd: folder.path,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: {},
    });
    child.unref();
    await once(child, 'spawn');
    server = child;
    child.once('exit', () => {
      server = undefined;
    });
    while (!(await accepts(login()))) {
      if (server === undefined) throw new Error(`PostgreSQL did not start:\n${await readFile(logFile, 'utf8')}`);
      await sleep(30);
    }
  };
  const end = async (how: NodeJS.Signals) => {
    if (server?.pid === undefined) return;
    server.ref();
    const exited = once(server, 'exit');
    signal(server.pid, how);
    await exited;
  };
  const query = async <R extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    database?: string,
  ) => {
    const client = new pg.Client(login(database));
    await client.connect();
    try {
      return (await client.query<R>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  };

  const settings = (): string =>
    Object.entries({
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: socketDirectory,
      // In files below the data directory: a killed server would leave its segments in /dev/shm for ever.
      dynamic_shared_memory_type: 'mmap',
      timezone: 'UTC',
      log_timezone: 'UTC',
      ...options.settings,
    })
      .map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
      .join('');
  const conf = join(dataDirectory, 'postgresql.conf');
  const defaults = await readFile(conf, 'utf8');
  for (let attempt = 1; ; attempt++) {
    await writeFile(conf, defaults + settings());
    try {
      await start();
      break;
    } catch (error) {
      // Another process may have taken the port since it was found free.
      const taken = String(error).includes('Address already in use');
      if (!taken || options.port !== undefined || attempt === 5) throw error;
      port = await freePort();
    }
  }
  for (const name of options.tablespaces ?? []) {
    const path = await owned(`tablespace-${name}`, 0o700);
    await query(`CREATE TABLESPACE ${pg.escapeIdentifier(name)} LOCATION ${pg.escapeLiteral(path)}`);
  }
  for (const name of options.databases ?? []) await query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);

  const owner = undo.move();
  return {
    port,
    dataDirectory,
    binaries,
    user: USER,
    password,
    passwordFile,
    socketDirectory,
    url: `postgres://${USER}@127.0.0.1:${port}`,
    uid,
    folder: folder.path,
    logFile,
    get pid() {
      return server?.pid;
    },
    login,
    query,
    start,
    stop: () => end('SIGINT'),
    kill: async () => {
      await end('SIGKILL');
      await abandoned(folder.path);
    },
    keep: () => folder.keep(),
    [Symbol.asyncDispose]: () => owner.disposeAsync(),
  };
}

async function accepts(login: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client({ ...login, connectionTimeoutMillis: 5_000 });
  // A starting server drops connections; what counts is whether this one gets in.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // Nobody listens yet, or "the database system is starting up".
    if (code === 'ECONNREFUSED' || code === '57P03' || code === 'ECONNRESET') return false;
    throw error;
  }
  await client.end();
  return true;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no free port on 127.0.0.1');
  server.close();
  await once(server, 'close');
  return address.port;
}
