import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** What writers were told by the server, from outside: the judge of every backup. */
export interface Ledger extends AsyncDisposable {
  /** For each writer the number of its last acknowledged row; rows are numbered from 1 without gaps. */
  acknowledged(): readonly number[];
  /** Milliseconds without any acknowledgement, the longest since the last call. */
  longestGap(): number;
  /** Resolves when a write that begins now is acknowledged, by a writer that was there before. */
  progress(limit: number): Promise<number>;
}

/** Each writer inserts (writer, n) one row a transaction, n = 1, 2, 3, ... and notes the acknowledgement. */
export async function startLedger(
  login: pg.ClientConfig,
  { table = 'ledger', writers = 4, pause = 2 } = {},
): Promise<Ledger> {
  const setup = new pg.Client(login);
  await setup.connect();
  await setup.query(
    `CREATE TABLE IF NOT EXISTS ${table} (writer int, n int, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (writer, n))`,
  );
  await setup.end();
  const acknowledged: number[] = Array(writers).fill(0);
  const stop = new AbortController();
  let last = performance.now();
  let longest = 0;
  const work = async (writer: number): Promise<void> => {
    const client = new pg.Client(login);
    await client.connect();
    try {
      for (let n = 1; !stop.signal.aborted; n++) {
        await client.query(`INSERT INTO ${table} (writer, n) VALUES ($1, $2)`, [writer, n]);
        acknowledged[writer] = n;
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
        await sleep(pause);
      }
    } finally {
      await client.end();
    }
  };
  const working = Promise.all(acknowledged.map((_, writer) => work(writer)));
  working.catch(() => undefined);
  return {
    acknowledged: () => [...acknowledged],
    longestGap() {
      const gap = Math.max(longest, performance.now() - last);
      longest = 0;
      return gap;
    },
    async progress(limit) {
      const before = acknowledged.reduce((sum, it) => sum + it, 0);
      const start = performance.now();
      // Each writer may have had one write under way: more than that many shows that new ones go through.
      while (acknowledged.reduce((sum, it) => sum + it, 0) < before + writers + 1) {
        if (performance.now() - start > limit) throw new Error(`no writer made progress within ${limit} ms`);
        await sleep(5);
      }
      return performance.now() - start;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await working;
    },
  };
}
