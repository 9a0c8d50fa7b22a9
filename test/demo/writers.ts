import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CUSTOMERS, PRODUCTS, WAREHOUSES } from './shop.ts';

/** One acknowledged transaction, from BEGIN to the answer to COMMIT; wall-clock milliseconds. */
export interface Write {
  readonly from: number;
  readonly to: number;
}

/** The shop's own work, going on all the time. Dispose ends it. */
export interface Writers extends AsyncDisposable {
  readonly writes: readonly Write[];
  /** Throws what a writer failed with: a backup must not break the application. */
  check(): void;
}

const upTo = (limit: number) => 1 + Math.floor(Math.random() * limit);

async function placeOrder(client: pg.Client): Promise<void> {
  const order = await client.query<{ id: string }>(
    'INSERT INTO orders (customer_id) SELECT id FROM customers WHERE id = $1 RETURNING id',
    [upTo(CUSTOMERS)],
  );
  const id = order.rows[0]?.id;
  const warehouse = upTo(WAREHOUSES.length);
  // In the order of their numbers, so that two orders never wait for each other.
  const products = [...new Set(Array.from({ length: upTo(4) }, () => upTo(PRODUCTS)))].sort((a, b) => a - b);
  for (const product of products) {
    await client.query('INSERT INTO order_lines SELECT $1, id, $3, price_cents FROM products WHERE id = $2', [
      id,
      product,
      upTo(3),
    ]);
    await client.query('UPDATE stock SET pieces = pieces - 1 WHERE product_id = $1 AND warehouse_id = $2', [
      product,
      warehouse,
    ]);
  }
}

async function moveStock(client: pg.Client): Promise<void> {
  const product = upTo(PRODUCTS);
  const from = upTo(WAREHOUSES.length);
  const to = 1 + (from % WAREHOUSES.length);
  const pieces = upTo(5);
  for (const [warehouse, change] of [[from, -pieces] as const, [to, pieces] as const].sort(([a], [b]) => a - b)) {
    const values = [product, warehouse, change];
    await client.query('UPDATE stock SET pieces = pieces + $3 WHERE product_id = $1 AND warehouse_id = $2', values);
  }
  const values = [product, from, to, pieces];
  await client.query('INSERT INTO stock_moves (product_id, from_id, to_id, pieces) VALUES ($1, $2, $3, $4)', values);
}

/** Opens `count` sessions that write one small transaction after the other, with a pause of `pause` ms between. */
export async function startWriters(login: pg.ClientConfig, count: number, pause: number): Promise<Writers> {
  const writes: Write[] = [];
  const errors: unknown[] = [];
  const stop = new AbortController();
  const work = async (client: pg.Client) => {
    try {
      while (!stop.signal.aborted) {
        const from = Date.now();
        await client.query('BEGIN');
        await (Math.random() < 0.7 ? placeOrder(client) : moveStock(client));
        await client.query('COMMIT');
        writes.push({ from, to: Date.now() });
        await sleep(pause);
      }
    } catch (error) {
      errors.push(error);
    } finally {
      await client.end();
    }
  };
  const clients = Array.from({ length: count }, () => new pg.Client({ ...login, application_name: 'shop' }));
  for (const client of clients) {
    client.on('error', (error) => errors.push(error));
    await client.connect();
  }
  const working = clients.map(work);
  return {
    writes,
    check() {
      if (errors.length > 0) throw new AggregateError(errors, `a writer of the shop failed: ${String(errors[0])}`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(working);
    },
  };
}

/** The longest that one write took among those that overlap the stretch from `from` to `to`. */
export function slowest(
  writes: readonly Write[],
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): number {
  const overlapping = writes.filter((write) => write.to >= from && write.from <= to);
  return Math.max(0, ...overlapping.map((write) => write.to - write.from));
}
