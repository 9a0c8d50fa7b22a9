/** A thread that writes to every server without a break, and knows the longest time that one of its writers had to wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type Address, connect } from '../../bank/client.ts';
import type { ServerName } from '../../bank/schema.ts';

export interface WriterOrders {
  readonly servers: readonly { readonly engine: ServerName; readonly address: Address }[];
  readonly writersPerServer: number;
  /** Milliseconds between two writes of one writer. */
  readonly pause: number;
}

/** Milliseconds of the machine's monotonic clock. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

const { servers, writersPerServer, pause } = workerData as WriterOrders;
const port = parentPort;
if (port === null) throw new Error('this is a thread of the stall bench');

/** By writer: when each write was begun and acknowledged; old ones are forgotten. */
const writes: Span[][] = [];
let stopped = false;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

async function work(engine: ServerName, address: Address, writer: number, mine: Span[]): Promise<void> {
  await using client = await connect(engine, address);
  for (let n = 1; !stopped; n++) {
    const from = now();
    await client.transact([`INSERT INTO t${1 + (n % 10)} (id) VALUES (?)`, writer * 100_000_000 + n]);
    mine.push({ from, to: now() });
    if (mine.length > 20_000) mine.splice(0, 10_000);
    await sleep(pause);
  }
}

const working = Promise.all(
  servers.flatMap(({ engine, address }) =>
    Array.from({ length: writersPerServer }, () => {
      const mine: Span[] = [];
      const writer = writes.push(mine);
      return work(engine, address, writer, mine);
    }),
  ),
);
working.catch((cause: unknown) => {
  throw cause;
});
port.on('message', async (word: Span | 'stop') => {
  if (word === 'stop') {
    stopped = true;
    await working;
    port.close();
    return;
  }
  // A write that is still under way has waited the longest of all: it is asked for when it has ended.
  await Promise.all(
    writes.map(async (mine) => {
      while ((mine.at(-1)?.from ?? 0) < word.to) await sleep(2);
    }),
  );
  const longest = Math.max(
    ...writes.flatMap((mine) =>
      mine.filter(({ from, to }) => to >= word.from && from <= word.to).map(({ from, to }) => to - from),
    ),
  );
  port.postMessage(longest);
});
