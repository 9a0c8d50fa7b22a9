/**
 * `npm run demo:shop`: an application moves money between a PostgreSQL and a MariaDB, in both directions and without
 * distributed transactions. Both are backed up by one job, and once more one after the other; all four backups are
 * restored, and the books are added up.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { interruptible } from '../demo/interruptible.ts';
import { Stillpoint } from '../demo/stillpoint.ts';
import { tryImage } from '../environment/images.ts';
import { balance, type Ledgers, readLedger } from './books.ts';
import { SERVERS, type ServerName } from './schema.ts';
import { type Bank, startBank } from './servers.ts';
import { statement } from './statement.ts';
import { startTransfers } from './transfers.ts';

const CLERKS = 8;
const PAUSE = 4;

async function demo(signal: AbortSignal): Promise<void> {
  for (const name of ['postgres-15', 'mariadb-10.11'] as const) {
    const found = await tryImage(name);
    if (!found.ok) throw new Error(`The shop needs two containers, which cannot run here: ${found.reason}.`);
  }
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'stillpoint-shop-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const mark = randomBytes(2).toString('hex');
  say('Starting a PostgreSQL and a MariaDB in containers ...');
  const bank = stack.use(
    await startBank({
      storage: 'volumes',
      durability: 'strict',
      names: { postgres: `shop-pg-${mark}`, mariadb: `shop-maria-${mark}` },
    }),
  );
  signal.throwIfAborted();
  await writeFile(join(folder, 'stillpoint.yaml'), configuration(bank));
  const environment = {
    STILLPOINT_STATE: join(folder, 'state'),
    STILLPOINT_SCRATCH: join(folder, 'scratch'),
    STILLPOINT_CONFIG: join(folder, 'stillpoint.yaml'),
  };
  const stillpoint = new Stillpoint({ folder, environment }, signal);
  stack.defer(() => removeRestored(mark));
  {
    await using transfers = startTransfers({ addresses: bank.addresses, clerks: CLERKS, pause: PAUSE });
    say(
      `${CLERKS} clerks move money between them, in both directions, each transfer in a transaction here, one there,`,
    );
    say('and a third that settles it. No distributed transaction. Now both are backed up by one job:');
    await sleep(1_000);
    await stillpoint.run('backup', 'shop');
    say('\nAnd, as a script would do it, one after the other:');
    await stillpoint.run('backup', 'only-postgres', '-q');
    await stillpoint.run('backup', 'only-mariadb', '-q');
    await transfers.acknowledged();
  }
  say('\nBoth pairs are restored as containers of their own, beside the live ones:');
  await stillpoint.run('restore', 'shop@latest', '--as', 'one-job-', '-q');
  await stillpoint.run('restore', 'only-postgres@latest', '--as', 'apart-', '-q');
  await stillpoint.run('restore', 'only-mariadb@latest', '--as', 'apart-', '-q');
  const together = balance(await ledgersOf('one-job-', bank));
  const apart = balance(await ledgersOf('apart-', bank));
  say(statement(together, apart));
  if (together.total !== together.opening || together.uncaused.length > 0 || together.torn.length > 0) {
    throw new Error('The books of the one job do not balance. This must never be; please report it.');
  }
  say('Nothing of this is left behind.');
}

/** One job for both servers, and one for each. */
function configuration(bank: Bank): string {
  const refs = {
    postgres: { ref: `docker:${bank.postgres.name}`, method: 'dump' },
    mariadb: { ref: `docker:${bank.mariadb.name}`, method: 'dump' },
  };
  return stringify({
    repositories: { local: { directory: 'backups' } },
    jobs: {
      shop: { sources: refs, repository: 'local' },
      'only-postgres': { sources: { postgres: refs.postgres }, repository: 'local' },
      'only-mariadb': { sources: { mariadb: refs.mariadb }, repository: 'local' },
    },
  });
}

/** Asks the restored servers with their own clients: nothing of Stillpoint's is in between. */
async function ledgersOf(prefix: string, bank: Bank): Promise<Ledgers> {
  const clients: Readonly<Record<ServerName, readonly string[]>> = {
    postgres: ['psql', '-U', 'postgres', '-d', 'bank', '-At', '-F', '\t', '-c'],
    mariadb: ['mariadb', '--no-defaults', '-u', 'root', '-N', '-B', 'bank', '-e'],
  };
  const read = async (server: ServerName) => {
    const container = `${prefix}${bank[server].name}`;
    const login = server === 'mariadb' ? ['-e', 'MYSQL_PWD'] : [];
    return readLedger(async (sql) => {
      const argv = ['exec', ...login, container, ...clients[server], sql];
      const { stdout } = await untilUp(() =>
        execa('docker', argv, { env: { MYSQL_PWD: bank.logins.mariadb.password } }),
      );
      return stdout.split('\n').map((line) => line.split('\t'));
    });
  };
  const [postgres, mariadb] = await Promise.all(SERVERS.map(read));
  if (!postgres || !mariadb) throw new Error('a server is missing');
  return { postgres, mariadb };
}

/** A container that was just started may still be on its way up. */
async function untilUp<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await ask();
    } catch (cause) {
      if (tries === 60) throw cause;
      await sleep(500);
    }
  }
}

async function removeRestored(mark: string): Promise<void> {
  const docker = new Docker();
  const isOurs = (name: string): boolean => name.includes(mark) && /^(one-job|apart)-/.test(name);
  for (const { Id, Names } of await docker.listContainers({ all: true })) {
    if (Names.some((it) => isOurs(it.slice(1)))) await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Name } of (await docker.listVolumes()).Volumes) if (isOurs(Name)) await docker.getVolume(Name).remove();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
await interruptible(demo);
