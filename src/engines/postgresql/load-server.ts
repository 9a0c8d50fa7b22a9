import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login, Secret } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Contents } from '../transfer.ts';
import { fitGlobals } from './globals.ts';
import { databasesToLoad } from './in-the-way.ts';
import { runTool } from './run-tool.ts';
import { archiveOf, leftOutNotes } from './select.ts';
import { openSession, quoteName, quoteText, type Session } from './session.ts';
import type { Entry } from './toc.ts';
import { connection, programOf } from './tools.ts';

const APPLICATION = 'stillpoint/restore';
const STOP_AT_ERRORS = ['-X', '-q', '-v', 'ON_ERROR_STOP=1'];

/** Puts it into a running server by the server's own psql and pg_restore: roles, then one database after the other. */
export async function load(
  _source: SourceRecord,
  contents: Contents,
  at: Instance,
  login: Login,
): Promise<readonly string[]> {
  const done: string[] = [];
  const notes: string[] = [];
  const server = await openServer(at, login);
  try {
    notes.push(...(await loadGlobals(server, contents)));
    for (const database of await databasesToLoad(contents)) {
      notes.push(...(await loadDatabase(server, contents, database)));
      done.push(database);
    }
    return notes;
  } catch (cause) {
    const whole = done.length === 0 ? 'No database was restored' : `Restored whole: ${done.join(', ')}`;
    throw new StillpointError('restore-failed', messageOf(cause), {
      meaning: `${whole}; a database that was not finished is removed again, a table that was not finished is as it was. The backup was not touched.`,
      next: 'Remove the cause that is named and run it again.',
      cause,
    });
  }
}

interface Server {
  readonly where: string;
  readonly user: string;
  /** A session in some other database than this one. */
  beside(database: string): Promise<Session>;
  in(database: string): Promise<Session>;
  run(program: string, args: readonly string[], database: string, input: Readable): Promise<void>;
}

async function openServer(at: Instance, login: Login): Promise<Server> {
  const open = (database: string): Promise<Session> => openSession(at, login, APPLICATION, database);
  await using session = await open('postgres');
  const [row] = await session.query("SELECT setting AS programs FROM pg_config WHERE name = 'BINDIR'");
  const env: Readonly<Record<string, string | Secret>> = {
    ...connection(at, login, session.endpoint),
    PGAPPNAME: APPLICATION,
  };
  const where = `on ${formatRef(at.ref)}`;
  return {
    where,
    user: login.user,
    in: open,
    beside: (database) => open(besides(database)),
    run: (program, args, database, input) =>
      runTool(
        at,
        [programOf(at, row?.programs ?? undefined, program), ...args],
        { ...env, PGDATABASE: database },
        input,
        where,
      ),
  };
}

const besides = (database: string): string => (database === 'postgres' ? 'template1' : 'postgres');

async function loadGlobals(server: Server, contents: Contents): Promise<readonly string[]> {
  await using session = await server.in('postgres');
  const rows = await session.query('SELECT rolname FROM pg_roles');
  const roles = new Set(rows.map((it) => it.rolname ?? ''));
  // Part of a server comes into another one: its roles are only added.
  const fitted = fitGlobals(await text(await contents.globals()), roles, server.user, !contents.partial);
  await server.run('psql', [...STOP_AT_ERRORS, '-f', '-'], 'postgres', Readable.from([fitted.text]));
  return [
    `The role ${server.user}, which this was done with, keeps its own password.`,
    ...(fitted.tablespaces.length > 0
      ? [
          `The tablespaces ${fitted.tablespaces.join(', ')} are not made: everything is where the server keeps its data.`,
        ]
      : []),
  ];
}

async function loadDatabase(server: Server, contents: Contents, database: string): Promise<readonly string[]> {
  await using beside = await server.beside(database);
  const [row] = await beside.query(`SELECT 1 AS is FROM pg_database WHERE datname = ${quoteText(database)}`);
  if (row && contents.tables[database] !== undefined) return replaceTables(server, contents, database);
  const { archive, leftOut } = await archiveOf(contents, database);
  if (row) await drop(beside, database);
  try {
    await server.run('pg_restore', [...ARGS, '--create', '-d', besides(database)], besides(database), archive);
  } catch (cause) {
    await drop(beside, database).catch((left: unknown) => {
      throw new StillpointError(
        'restore-failed',
        `${messageOf(cause)} What was made of ${database} is still there: ${messageOf(left)}`,
        { cause },
      );
    });
    throw cause;
  }
  return leftOutNotes(database, leftOut);
}

const ARGS = ['--exit-on-error', '--no-tablespaces'];

async function drop(session: Session, database: string): Promise<void> {
  if (database === 'template1') await session.query('ALTER DATABASE template1 IS_TEMPLATE false');
  await session.query(`DROP DATABASE IF EXISTS ${quoteName(database)}`);
}

/** In one transaction: whoever looks sees the old ones or the new ones, and after an error the old ones are there. */
async function replaceTables(server: Server, contents: Contents, database: string): Promise<readonly string[]> {
  await using session = await server.in(database);
  const { archive, leftOut } = await archiveOf(contents, database, await isThereIn(session, contents, database));
  const args = [...ARGS, '--single-transaction', '--clean', '--if-exists', '-d', database];
  await server.run('pg_restore', args, database, archive);
  return leftOutNotes(database, leftOut);
}

/** What is there already is not made again. The tables that are replaced count as not there. */
async function isThereIn(session: Session, contents: Contents, database: string): Promise<(entry: Entry) => boolean> {
  await session.query('SET search_path = pg_catalog');
  const rows = await session.query(`
    SELECT 'SCHEMA' AS kind, '' AS schema, nspname AS name FROM pg_namespace
    UNION ALL SELECT 'EXTENSION', '', extname FROM pg_extension
    UNION ALL SELECT 'RELATION', n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    UNION ALL SELECT 'TYPE', n.nspname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    UNION ALL SELECT 'FUNCTION', n.nspname, substr(p.oid::regprocedure::text, length(quote_ident(n.nspname)) + 2) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'pg_catalog'
    UNION ALL SELECT 'COLLATION', n.nspname, c.collname FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace`);
  const key = (kind: string, schema: string, name: string): string => JSON.stringify([kind, schema, name]);
  const there = new Set(rows.map((it) => key(it.kind ?? '', it.schema ?? '', it.name ?? '')));
  for (const { schema, table } of contents.tables[database] ?? []) there.delete(key('RELATION', schema, table));
  return ({ kind, schema, name }) => there.has(key(KINDS[kind] ?? kind, schema, name));
}

/** Kinds of an archive that are one kind to the server. */
const KINDS: Readonly<Record<string, string>> = {
  TABLE: 'RELATION',
  VIEW: 'RELATION',
  'MATERIALIZED VIEW': 'RELATION',
  'FOREIGN TABLE': 'RELATION',
  SEQUENCE: 'RELATION',
  DOMAIN: 'TYPE',
  'SHELL TYPE': 'TYPE',
  PROCEDURE: 'FUNCTION',
  AGGREGATE: 'FUNCTION',
};
