import mysql from 'mysql2';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import { dialFirst } from '../dial.ts';
import { applicationName, markSql } from './names.ts';

/** One server session. Dispose closes it; whatever it held ends with it. */
export interface Session extends AsyncDisposable {
  /** What it was dialed by. */
  readonly endpoint: Instance['endpoints'][number];
  /** The server's number for it: used once only while the server runs. */
  readonly id: number;
  /** `session 4711 of the server started 2026-11-21 02:00:00`: after a restart numbers begin anew. */
  readonly name: string;
  /** Aborts when the server or the network ended it. */
  readonly lost: AbortSignal;
  /** Runs SQL; the rows of the last statement, all values as text. Rejects with the server's error. */
  query(sql: string): Promise<readonly Row[]>;
  /** Several statements in one round trip; the rows of each. Rejects with the error of the first that fails. */
  queryAll(statements: readonly string[]): Promise<readonly (readonly Row[])[]>;
}

export type Row = Readonly<Record<string, string | null>>;

const LOGIN_LIMIT = 5_000;

/** How the server writes definitions and times depends on these. */
const FIXED =
  "SET SESSION sql_mode = '', time_zone = '+00:00', sql_quote_show_create = 1, max_statement_time = 0, group_concat_max_len = 1048576";
const SELF = `
SELECT CONNECTION_ID() AS id, FROM_UNIXTIME(UNIX_TIMESTAMP() - VARIABLE_VALUE, '%Y-%m-%d %H:%i:%s') AS started
FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'`;

/** Opens a session, named after the run. Throws `unreachable` | `login-refused`. */
export async function openSession(at: Instance, login: Login, application: string): Promise<Session> {
  const { stream, endpoint } = await dialFirst(at);
  const client = mysql.createConnection({
    stream,
    user: login.user,
    ...(login.password === undefined ? {} : { password: login.password.reveal() }),
    connectAttributes: { program_name: application },
    connectTimeout: LOGIN_LIMIT,
    charset: 'utf8mb4',
    multipleStatements: true,
    // Values stay the text that the server sent: a fingerprint must not pass through JavaScript numbers or dates.
    typeCast: (field) => field.string(),
  });
  const ended = new AbortController();
  client.on('error', (cause) => ended.abort(cause));
  stream.once('close', () => ended.abort(new Error('the session ended')));
  stream.once('end', () => ended.abort(new Error('the server ended the session')));
  const results = (sql: string): Promise<readonly Result[]> =>
    new Promise((resolve, reject) => {
      client.query(sql, (cause, result, fields) => {
        if (cause) reject(errorOf(cause).code === '' ? sessionEnded(at, cause) : cause);
        else resolve(resultsOf(result, fields));
      });
    });
  const query = async (sql: string): Promise<readonly Row[]> =>
    (await results(sql)).findLast((it) => it !== undefined) ?? [];
  try {
    await new Promise<void>((resolve, reject) => {
      client.connect((cause) => (cause ? reject(cause) : resolve()));
    });
    await query(FIXED);
    const [self] = await query(SELF);
    return {
      endpoint,
      id: Number(self?.id),
      name: `session ${self?.id} of the server started ${self?.started}`,
      lost: ended.signal,
      query,
      queryAll: async (statements) => (await results(statements.join('; '))).map((it) => it ?? []),
      async [Symbol.asyncDispose]() {
        // A session that waits for a lock would not read the farewell: closing the stream ends it at once.
        client.destroy();
        stream.destroy();
      },
    };
  } catch (cause) {
    stream.destroy();
    throw loginError(cause, at, login);
  }
}

/** A session that lasts as long as `stack` does, and that `recover` finds. */
export async function openMarked(
  stack: AsyncDisposableStack,
  at: Instance,
  login: Login,
  run: RunId,
): Promise<Session> {
  const session = stack.use(await openSession(at, login, applicationName(run)));
  await session.query(markSql(session.id, run));
  return session;
}

/** The rows of a statement; undefined: it is none that has rows. */
type Result = readonly Row[] | undefined;

/** Of several statements the driver gives a list of results and a list of their columns; of one, its own. */
function resultsOf(result: unknown, fields: unknown): readonly Result[] {
  if (!Array.isArray(result)) return [undefined];
  const several = Array.isArray(fields) && fields.some((it) => it === undefined || Array.isArray(it));
  return several ? result.map((it) => (Array.isArray(it) ? it : undefined)) : [result];
}

/** What the server answers a login that it does not like (manual: MariaDB error codes); 4151: the account is locked. */
const REFUSED = new Set([1044, 1045, 1130, 1698, 4151]);

function loginError(cause: unknown, at: Instance, login: Login): StillpointError {
  const where = formatRef(at.ref);
  const said = messageOf(cause);
  if (REFUSED.has(errorOf(cause).errno)) {
    const why =
      login.password === undefined ? `it wants a password for ${login.user}, and none was given` : `it said: ${said}`;
    return new StillpointError('login-refused', `${where} refused the login of ${login.user}: ${why}.`, { cause });
  }
  if (/plugin/i.test(said)) {
    return new StillpointError(
      'login-refused',
      `${where} wants ${login.user} to log in by a way that Stillpoint does not know: ${said}.`,
      { next: 'Name a user with mysql_native_password, or unix_socket where this process may use the socket.', cause },
    );
  }
  return new StillpointError('unreachable', `${where}: the login did not succeed: ${said}.`, { cause });
}

/** What the driver says of a session that is gone has no code, unlike what the server or the system said. */
const sessionEnded = (at: Instance, cause: Error): StillpointError =>
  new StillpointError('backup-failed', `A session on ${formatRef(at.ref)} was ended by the server or the network.`, {
    cause,
  });

/** The name and the number of a server's error; empty and 0 for any other. */
export function errorOf(cause: unknown): { readonly code: string; readonly errno: number } {
  if (!(cause instanceof Error)) return { code: '', errno: 0 };
  return { code: 'code' in cause ? String(cause.code ?? '') : '', errno: 'errno' in cause ? Number(cause.errno) : 0 };
}

/** Fills the named parameters of a recipe's statement. A parameter that is missing is a fault of the engine. */
export function fill(statement: string | undefined, values: Readonly<Record<string, string | number>> = {}): string {
  if (statement === undefined)
    throw new StillpointError('recipe-invalid', 'The recipe has no statement for this step and version.');
  return statement.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined)
      throw new StillpointError(
        'recipe-invalid',
        `The recipe names a parameter {${name}} that this step does not have.`,
      );
    return typeof value === 'number' ? String(value) : quoteText(value);
  });
}

/** `` `shop`.`orders` `` */
export const quoteName = (...parts: readonly string[]): string => parts.map((it) => mysql.escapeId(it, true)).join('.');
export const quoteText = (text: string): string => mysql.escape(text);
