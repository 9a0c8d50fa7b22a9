import type { Duplex } from 'node:stream';
import pg from 'pg';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import { dialFirst } from '../dial.ts';

/** One server session. Dispose closes it; whatever it held ends with it. */
export interface Session extends AsyncDisposable {
  readonly database: string;
  /** What it was dialed by. */
  readonly endpoint: Instance['endpoints'][number];
  readonly pid: number;
  /** `pid 4711 since 2026-11-21 02:00:00.123456+00`: a reused pid has another start. */
  readonly name: string;
  /** Aborts when the server or the network ended it. */
  readonly lost: AbortSignal;
  /** Runs SQL; the rows of the last statement, all values as text. Rejects with the server's error. */
  query(sql: string): Promise<readonly Row[]>;
  /** Several statements in one round trip; the rows of each. Rejects with the error of the first that fails. */
  queryAll(statements: readonly string[]): Promise<readonly (readonly Row[])[]>;
  /** For what is asked more than once: the server plans it now; what runs it. Of the same SQL again it is the same. */
  planned(sql: string): Promise<string>;
}

export type Row = Readonly<Record<string, string | null>>;

/** Values stay the text that the server sent: a fingerprint must not pass through JavaScript numbers or dates. */
const asText = { getTypeParser: () => (value: string | Buffer) => value.toString() };

/** Opens a session, named after the run so that `recover` finds it. Throws `unreachable` | `login-refused`. */
export async function openSession(
  at: Instance,
  login: Login,
  application: string,
  database = login.database ?? 'postgres',
): Promise<Session> {
  const { stream, endpoint } = await dialFirst(at);
  const client = new pg.Client({
    stream: () => alreadyConnected(stream),
    user: login.user,
    password: login.password?.reveal(),
    database,
    application_name: application,
    types: asText,
    connectionTimeoutMillis: 5_000,
  });
  const ended = new AbortController();
  client.on('error', (cause) => ended.abort(cause));
  client.on('end', () => ended.abort(new Error('the session ended')));
  try {
    await client.connect();
  } catch (cause) {
    stream.destroy();
    throw loginError(cause, at, login, database);
  }
  const results = async (sql: string): Promise<readonly (readonly Row[])[]> => {
    const result = (await client.query(sql).catch((cause: unknown) => {
      throw isSaid(cause) ? cause : sessionEnded(at, database, cause);
    })) as unknown as { rows: Row[] } | { rows: Row[] }[];
    return (Array.isArray(result) ? result : [result]).map((it) => it.rows);
  };
  const query = async (sql: string): Promise<readonly Row[]> => (await results(sql)).at(-1) ?? [];
  const plans = new Map<string, Promise<string>>();
  const plan = async (name: string, sql: string): Promise<string> => {
    await query(`PREPARE ${name} AS ${sql}`);
    return `EXECUTE ${name}`;
  };
  const [self] = await query('SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()');
  return {
    database,
    endpoint,
    pid: Number(self?.pid),
    name: `pid ${self?.pid} since ${self?.backend_start}`,
    lost: ended.signal,
    query,
    queryAll: (statements) => results(statements.join('; ')),
    planned(sql) {
      const known = plans.get(sql) ?? plan(`stillpoint_${plans.size + 1}`, sql);
      plans.set(sql, known);
      return known;
    },
    async [Symbol.asyncDispose]() {
      // A session that waits for a lock would not read the farewell: closing the stream ends it at once.
      stream.destroy();
    },
  };
}

/** Said by the server or the system, with a code; what the driver says of a session that is gone has none. */
const isSaid = (cause: unknown): boolean => sqlStateOf(cause) !== undefined;

/** What the server said it was, see the manual's appendix A; undefined for what it did not say. */
export const sqlStateOf = (cause: unknown): string | undefined =>
  cause instanceof Error && 'code' in cause && cause.code !== undefined ? String(cause.code) : undefined;

const sessionEnded = (at: Instance, database: string, cause: unknown): StillpointError =>
  new StillpointError(
    'backup-failed',
    `A session in database ${database} of ${formatRef(at.ref)} was ended by the server: ${messageOf(cause)}.`,
    { next: "Look at the server's own log, and run it again when the server is up.", cause },
  );

/** The driver wants to connect by itself; ours is connected already. */
function alreadyConnected(stream: Duplex): Duplex {
  const connect = (): Duplex => {
    process.nextTick(() => stream.emit('connect'));
    return stream;
  };
  const nothing = (): Duplex => stream;
  return Object.assign(stream, { connect, setNoDelay: nothing, setKeepAlive: nothing, ref: nothing, unref: nothing });
}

/** SQLSTATE classes 28 (authorization) and 3D (no such database) are refusals; the rest is not reached. */
function loginError(cause: unknown, at: Instance, login: Login, database: string): StillpointError {
  const where = formatRef(at.ref);
  const code = sqlStateOf(cause) ?? '';
  const said = messageOf(cause);
  if (code.startsWith('28'))
    return new StillpointError('login-refused', `${where} refused the login of ${login.user}: ${said}.`, { cause });
  if (/password/i.test(said) && login.password === undefined) {
    return new StillpointError('login-refused', `${where} wants a password for ${login.user}, and none was given.`, {
      cause,
    });
  }
  if (code === '3D000') return new StillpointError('not-found', `${where}: ${said}.`, { cause });
  if (code === '57P03') return new StillpointError('unreachable', `${where} is not ready: ${said}.`, { cause });
  if (code === '53300')
    return new StillpointError('unreachable', `${where} has no connection left: ${said}.`, { cause });
  return new StillpointError('unreachable', `${where}: the login to database ${database} did not succeed: ${said}.`, {
    cause,
  });
}

/** SQL that is put in as it is: identifiers that were quoted already. */
export class Raw {
  readonly sql: string;
  constructor(sql: string) {
    this.sql = sql;
  }
}

/** Fills the named parameters of a recipe's statement. A parameter that is missing is a fault of the engine. */
export function fill(
  statement: string | undefined,
  values: Readonly<Record<string, string | number | Raw>> = {},
): string {
  if (statement === undefined)
    throw new StillpointError('recipe-invalid', 'The recipe has no statement for this step and version.');
  return statement.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined)
      throw new StillpointError(
        'recipe-invalid',
        `The recipe names a parameter {${name}} that this step does not have.`,
      );
    if (value instanceof Raw) return value.sql;
    return typeof value === 'number' ? String(value) : pg.escapeLiteral(value);
  });
}

/** `"public"."orders"` */
export const quoteName = (...parts: readonly string[]): string => parts.map((it) => pg.escapeIdentifier(it)).join('.');
export const quoteText = (text: string): string => pg.escapeLiteral(text);
