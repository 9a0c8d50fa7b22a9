import mysql from 'mysql2/promise';
import pg from 'pg';
import type { ServerName } from './schema.ts';

/** Where a server listens, as an application is told. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export type Statement = readonly [sql: string, ...values: readonly number[]];

/** The application's own session: it knows nothing of backups. */
export interface Client extends AsyncDisposable {
  /** Returns when the server has acknowledged the commit. */
  transact(...statements: readonly Statement[]): Promise<void>;
}

export const connect = (server: ServerName, address: Address): Promise<Client> =>
  server === 'postgres' ? connectPostgres(address) : connectMariadb(address);

async function connectPostgres(address: Address): Promise<Client> {
  const client = new pg.Client({ ...address, application_name: 'bank' });
  // The statement under way rejects: that is where an application hears of it.
  client.on('error', () => undefined);
  await client.connect();
  return {
    async transact(...statements) {
      await client.query('BEGIN');
      for (const [sql, ...values] of statements) {
        let n = 0;
        await client.query(
          sql.replaceAll('?', () => `$${++n}`),
          values,
        );
      }
      await client.query('COMMIT');
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

async function connectMariadb(address: Address): Promise<Client> {
  const client = await mysql.createConnection({ ...address });
  client.on('error', () => undefined);
  return {
    async transact(...statements) {
      await client.query('BEGIN');
      for (const [sql, ...values] of statements) await client.query(sql, values);
      await client.query('COMMIT');
    },
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}
