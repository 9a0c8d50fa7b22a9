import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, connect } from '../bank/client.ts';
import type { ServerName } from '../bank/schema.ts';

/** A writer that comes back after its server did. Dispose ends it. */
export interface Ticker extends AsyncDisposable {
  /** Milliseconds until a write that began after now was acknowledged; throws when that takes longer than `limit`. */
  progress(limit: number): Promise<number>;
}

/** One row after the other, each in a transaction of its own, on a session that is opened anew when it breaks. */
export function startTicker(server: ServerName, address: () => Promise<Address>): Ticker {
  let stopped = false;
  /** When the newest acknowledged write had begun. */
  let newest = 0;
  const work = async (): Promise<void> => {
    for (let n = Date.now(); !stopped; await sleep(50)) {
      try {
        await using client = await connect(server, await address());
        while (!stopped) {
          const began = performance.now();
          await client.transact(['INSERT INTO ticks (id) VALUES (?)', n++]);
          newest = began;
          await sleep(2);
        }
      } catch (cause) {
        // The server is down or coming up: an application tries again.
        if (!(cause instanceof Error)) throw cause;
      }
    }
  };
  const working = work();
  return {
    async progress(limit) {
      const asked = performance.now();
      while (newest < asked) {
        if (performance.now() - asked > limit) throw new Error(`no write on ${server} went through within ${limit} ms`);
        await sleep(5);
      }
      return performance.now() - asked;
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await working;
    },
  };
}
