import type { Server } from './containers.ts';

/** Databases whose names need care wherever they are written. */
export const ODD_DATABASES = ['Größe & Co', 'it\'s.a "db"', '-f'] as const;

/** Something of every kind that a database can hold, in `shop`; odd names; several databases; roles that own and may. */
export async function fillWithEverything(
  server: Server,
  options: { readonly tablespace?: string } = {},
): Promise<void> {
  await server.query('CREATE DATABASE shop');
  for (const name of ODD_DATABASES) await server.query(`CREATE DATABASE "${name.replaceAll('"', '""')}"`);
  for (const name of ODD_DATABASES)
    await server.query(
      `CREATE TABLE "odd ""name" (r int, "select" text); INSERT INTO "odd ""name" VALUES (1, 'x'), (2, NULL)`,
      name,
    );
  await server.query(`
    CREATE ROLE clerk LOGIN PASSWORD 'of the clerk'; CREATE ROLE "head of it" CREATEROLE; GRANT clerk TO "head of it" WITH ADMIN OPTION;
    ALTER ROLE clerk SET work_mem = '7MB'; ALTER DATABASE shop SET search_path = public, other; ALTER ROLE clerk IN DATABASE shop SET lock_timeout = '9s';
    COMMENT ON ROLE clerk IS E'first line\\nCREATE ROLE postgres;\\nit''s the third'; ALTER DATABASE shop OWNER TO "head of it";
    GRANT CONNECT ON DATABASE shop TO clerk; COMMENT ON DATABASE shop IS 'the shop'`);
  if (options.tablespace !== undefined) await server.query(`CREATE TABLESPACE fast LOCATION '${options.tablespace}'`);
  await server.query(
    `
    CREATE EXTENSION pgcrypto; CREATE EXTENSION postgres_fdw; CREATE EXTENSION hstore;
    CREATE SCHEMA other AUTHORIZATION clerk; GRANT USAGE ON SCHEMA other TO PUBLIC;
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text);
    CREATE TYPE span AS RANGE (subtype = float8);
    CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL, mood mood DEFAULT 'ok',
      tags hstore, born date, amount numeric(12,3), raw bytea, doubled int GENERATED ALWAYS AS (1 + 1) STORED, CHECK (length(name) > 0));
    INSERT INTO customers (name, tags, born, amount, raw) SELECT 'c' || g, hstore('k', g::text), '2020-01-01'::date + g, g / 7.0, decode(md5(g::text), 'hex') FROM generate_series(1, 5000) g;
    ALTER TABLE customers OWNER TO clerk; GRANT SELECT ON customers TO PUBLIC; GRANT SELECT (name) ON customers TO "head of it";
    CREATE INDEX ON customers (lower(name)) WHERE mood = 'ok'; CREATE UNIQUE INDEX by_name ON customers (name); CLUSTER customers USING by_name;
    CREATE STATISTICS several (dependencies) ON name, mood FROM customers; ALTER TABLE customers REPLICA IDENTITY USING INDEX by_name;
    CREATE TABLE orders (id int, customer bigint REFERENCES customers, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE orders_2020 PARTITION OF orders FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE orders_rest PARTITION OF orders DEFAULT; CREATE INDEX ON orders (customer);
    INSERT INTO orders SELECT g, g, '2020-06-01'::date + g FROM generate_series(1, 1000) g;
    CREATE TABLE notes (order_id int, at date, note text, FOREIGN KEY (order_id, at) REFERENCES orders ON DELETE CASCADE);
    INSERT INTO notes SELECT g, '2020-06-01'::date + g, repeat('long ', 2000) FROM generate_series(1, 50) g;
    CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
    CREATE UNLOGGED TABLE scratch AS SELECT g FROM generate_series(1, 10) g;
    CREATE TABLE private (who text); ALTER TABLE private ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON private TO clerk USING (who = current_user); INSERT INTO private VALUES ('clerk'), ('else');
    CREATE SEQUENCE numbers START 100 INCREMENT -3 MINVALUE -1000 MAXVALUE 100 CACHE 4 CYCLE; SELECT nextval('numbers') FROM generate_series(1, 9); CREATE SEQUENCE untouched; CREATE SEQUENCE set_back; SELECT setval('set_back', 50, false);
    CREATE VIEW happy WITH (security_barrier) AS SELECT * FROM customers WHERE mood = 'happy'; CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders; CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
    CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'; CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN END'; CREATE AGGREGATE add_up(int) (sfunc = int4pl, stype = int, initcond = '0');
    CREATE OPERATOR %% (leftarg = int, rightarg = int, function = int4mod); CREATE CAST (pair AS text) WITH INOUT AS ASSIGNMENT;
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER stamp BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION stamp(); CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
    ALTER TABLE customers DISABLE TRIGGER stamp; CREATE RULE silent AS ON DELETE TO private DO INSTEAD NOTHING;
    CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION told();
    CREATE PUBLICATION sent FOR TABLE customers; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere'); CREATE FOREIGN TABLE far (a int) SERVER elsewhere; CREATE USER MAPPING FOR clerk SERVER elsewhere OPTIONS (user 'x');
    ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO clerk; GRANT EXECUTE ON FUNCTION twice TO clerk; REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC;
    COMMENT ON TABLE customers IS 'who buys'; COMMENT ON COLUMN customers.name IS E'it''s\\ntheirs'; COMMENT ON SCHEMA public IS 'changed'; COMMENT ON FUNCTION twice(int) IS 'doubles';
    SELECT lo_from_bytea(0, 'a large object'), lo_from_bytea(0, decode(repeat('ab', 700000), 'hex'));
    SELECT lo_put(lo_create(777777), 500000, 'after a hole')`,
    'shop',
  );
  if (options.tablespace !== undefined)
    await server.query(
      'CREATE TABLE placed (a int PRIMARY KEY USING INDEX TABLESPACE fast) TABLESPACE fast; INSERT INTO placed SELECT generate_series(1, 1000)',
      'shop',
    );
}
