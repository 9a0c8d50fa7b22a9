/**
 * The bank's application, a thread of its own: transfers in both directions, as fast as it is let, and a note of every
 * acknowledgement with the monotonic clock that all processes of this machine share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type Address, connect } from './client.ts';
import { ACCOUNTS, other, SERVERS, type ServerName } from './schema.ts';

export interface Orders {
  readonly addresses: Readonly<Record<ServerName, Address>>;
  readonly clerks: number;
  /** Milliseconds between two transfers of one clerk. */
  readonly pause: number;
}

export type Act = 'sent' | 'received' | 'settled';

/** The server acknowledged this act of a transfer; `at` in milliseconds of the machine's monotonic clock. */
export interface Acknowledgement {
  readonly server: ServerName;
  readonly act: Act;
  readonly id: number;
  readonly at: number;
}

const CLERK_NUMBERS = 10_000_000;

const { addresses, clerks, pause } = workerData as Orders;
const port = parentPort;
if (port === null) throw new Error('this is a thread of transfers.ts');

let stopped = false;
let noted: Acknowledgement[] = [];
const note = (server: ServerName, act: Act, id: number): void => {
  noted.push({ server, act, id, at: Number(process.hrtime.bigint()) / 1e6 });
};

async function work(clerk: number): Promise<void> {
  await using postgres = await connect('postgres', addresses.postgres);
  await using mariadb = await connect('mariadb', addresses.mariadb);
  const clients = { postgres, mariadb };
  for (let n = 1; !stopped; n++) {
    const id = clerk * CLERK_NUMBERS + n;
    const from = SERVERS[n % 2] ?? 'postgres';
    const to = other(from);
    const account = 1 + ((clerk * 31 + n * 17) % ACCOUNTS);
    const cents = 1 + (n % 97);
    await clients[from].transact(
      ['UPDATE accounts SET cents = cents - ? WHERE id = ?', cents, account],
      ['INSERT INTO sent (id, account, cents) VALUES (?, ?, ?)', id, account, cents],
    );
    note(from, 'sent', id);
    await clients[to].transact(
      ['UPDATE accounts SET cents = cents + ? WHERE id = ?', cents, account],
      ['INSERT INTO received (id, account, cents) VALUES (?, ?, ?)', id, account, cents],
    );
    note(to, 'received', id);
    await clients[from].transact(['UPDATE sent SET settled = 1 WHERE id = ?', id]);
    note(from, 'settled', id);
    if (pause > 0) await sleep(pause);
  }
}

const working = Promise.all(Array.from({ length: clerks }, (_, clerk) => work(clerk + 1)));
working.then(
  () => port.postMessage({ noted, ended: true }),
  (cause: unknown) => port.postMessage({ noted, ended: true, failed: String(cause) }),
);
port.on('message', (word: 'note' | 'stop') => {
  if (word === 'stop') {
    stopped = true;
    port.unref();
    return;
  }
  port.postMessage({ noted });
  noted = [];
});
