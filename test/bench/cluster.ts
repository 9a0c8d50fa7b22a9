import { type Embedded, startEmbedded } from '../embedded/postgres.ts';

const GIB = 1024 ** 3;
export const ROWS_AT_ONCE = 250_000;

/** Rows like a shop's: keys, dates, amounts and words that repeat, and one column that does not. With an index on three. */
export const TABLE = (name: string) => `
CREATE TABLE ${name} (
  id bigint NOT NULL, customer_id integer NOT NULL, status text NOT NULL, placed_at timestamptz NOT NULL,
  amount numeric(10, 2) NOT NULL, city text NOT NULL, note text NOT NULL, token text NOT NULL);`;

export const INDEXES = (name: string) => `
ALTER TABLE ${name} ADD PRIMARY KEY (id);
CREATE INDEX ON ${name} (customer_id);
CREATE INDEX ON ${name} (placed_at);`;

export const ROWS = (name: string, from: number) => `
INSERT INTO ${name} SELECT
  i, hashint8(i) & 65535, (ARRAY['new','paid','packed','sent','returned'])[1 + abs(hashint8(i + 1)) % 5],
  timestamptz '2024-01-01' + i * interval '7 seconds', (abs(hashint8(i + 2)) % 1000000) / 100.0,
  (ARRAY['Lisbon','Lyon','Leeds','Lund','Lviv','Linz','Lodz'])[1 + abs(hashint8(i + 3)) % 7],
  'Please deliver to the ' || (ARRAY['front','back','side'])[1 + abs(hashint8(i + 4)) % 3] || ' door after '
    || abs(hashint8(i + 5)) % 24 || ' o''clock and call ' || abs(hashint8(i + 6)) % 10000000 || ' first',
  md5(i::text)
FROM generate_series(${from}, ${from + ROWS_AT_ONCE - 1}) i;`;

async function size(server: Embedded): Promise<number> {
  const [row] = await server.query<{ bytes: string }>('SELECT sum(pg_database_size(oid)) AS bytes FROM pg_database');
  return Number(row?.bytes);
}

/** A quiet cluster of `gib` GiB of data files in several tables, with next to no WAL left behind by filling it. */
export async function startCluster(gib: number): Promise<Embedded> {
  const settings = { max_wal_size: '8GB', shared_buffers: '256MB', maintenance_work_mem: '256MB', autovacuum: 'off' };
  const server = await startEmbedded({ databases: ['bench'], settings });
  try {
    for (let table = 0, from = 1; (await size(server)) < gib * GIB; table++) {
      const name = `orders_${table}`;
      await server.query(TABLE(name), [], 'bench');
      const enough = Math.min((await size(server)) + GIB / 8, gib * GIB);
      for (; (await size(server)) < enough; from += ROWS_AT_ONCE) await server.query(ROWS(name, from), [], 'bench');
      await server.query(INDEXES(name), [], 'bench');
    }
    await server.query('VACUUM ANALYZE', [], 'bench');
    // Next to no WAL, because a tar of the cluster holds it and a backup does not: both shall read the same bytes.
    await server.query("ALTER SYSTEM SET max_wal_size = '64MB'");
    await server.query("ALTER SYSTEM SET min_wal_size = '32MB'");
    await server.query('SELECT pg_reload_conf()');
    for (let round = 0; round < 3; round++) await server.query('CHECKPOINT');
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
