import type { Embedded } from '../embedded/postgres.ts';

export const PRODUCTS = 2_000;
const ORDERS = 30_000;
export const CUSTOMERS = 10_000;
export const WAREHOUSES = ['Bergen', 'Gdansk', 'Porto'] as const;

/** A small shop as one finds them: keys, indexes, text, sequences, a view, some megabytes. */
const SCHEMA = `
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL, email text NOT NULL UNIQUE, city text NOT NULL, since date NOT NULL);
CREATE TABLE products (
  id integer PRIMARY KEY, name text NOT NULL, price_cents integer NOT NULL CHECK (price_cents > 0));
CREATE TABLE warehouses (id integer PRIMARY KEY, city text NOT NULL);
CREATE TABLE stock (
  product_id integer REFERENCES products, warehouse_id integer REFERENCES warehouses, pieces integer NOT NULL,
  PRIMARY KEY (product_id, warehouse_id));
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES customers, placed_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE order_lines (
  order_id bigint REFERENCES orders, product_id integer REFERENCES products,
  pieces integer NOT NULL, price_cents integer NOT NULL, PRIMARY KEY (order_id, product_id));
CREATE TABLE stock_moves (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id integer NOT NULL REFERENCES products,
  from_id integer NOT NULL REFERENCES warehouses, to_id integer NOT NULL REFERENCES warehouses,
  pieces integer NOT NULL, moved_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON order_lines (product_id);
CREATE VIEW turnover AS
  SELECT date_trunc('day', placed_at) AS day, sum(pieces * price_cents) / 100.0 AS amount
  FROM orders JOIN order_lines ON order_id = id GROUP BY 1;
`;

const ROWS = `
INSERT INTO customers (name, email, city, since)
  SELECT initcap(substr(md5(i::text), 1, 6)) || ' ' || initcap(translate(substr(md5('n' || i), 1, 8), '0123456789', 'aeiouaeiou')),
    'customer' || i || '@example.org', (ARRAY['Lisbon','Lyon','Leeds','Lund','Lviv','Linz'])[1 + i % 6], date '2019-01-01' + i % 2500
  FROM generate_series(1, ${CUSTOMERS}) i;
INSERT INTO products SELECT i, 'Article ' || upper(substr(md5('p' || i), 1, 7)), 99 + (i * 7919) % 20000
  FROM generate_series(1, ${PRODUCTS}) i;
INSERT INTO warehouses SELECT i, city FROM unnest(ARRAY['${WAREHOUSES.join("','")}']) WITH ORDINALITY AS w (city, i);
INSERT INTO stock SELECT p.id, w.id, 500 + (p.id * 31 + w.id * 17) % 1000 FROM products p, warehouses w;
INSERT INTO orders (customer_id, placed_at)
  SELECT 1 + (i * 7919::bigint) % ${CUSTOMERS}, now() - interval '400 days' + i * interval '10 minutes' FROM generate_series(1, ${ORDERS}) i;
INSERT INTO order_lines
  SELECT o, 1 + (o * 37 + line * 613) % ${PRODUCTS}, 1 + (o + line) % 4, 99 + (o * 31 + line * 7919) % 20000
  FROM generate_series(1, ${ORDERS}) o, generate_series(1, 3) line;
ANALYZE;
`;

/** Fills the database `shop` of the server. */
export async function openShop(server: Embedded): Promise<void> {
  await server.query(SCHEMA, [], 'shop');
  await server.query(ROWS, [], 'shop');
}

export interface Count {
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
}

/** What the shop holds at this moment, counted and not estimated. */
export async function countShop(server: Embedded): Promise<Count> {
  const tables = await server.query<{ name: string }>(
    "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    [],
    'shop',
  );
  const sum = tables.map(({ name }) => `(SELECT count(*) FROM ${name})`).join(' + ');
  // One statement, so one moment.
  const [now] = await server.query<{ rows: string; bytes: string }>(
    `SELECT ${sum} AS rows, pg_database_size('shop') AS bytes`,
    [],
    'shop',
  );
  return { tables: tables.length, rows: Number(now?.rows), bytes: Number(now?.bytes) };
}
