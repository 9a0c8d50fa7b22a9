import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import { formatTable, type Nearest, type Part, type TableName } from '../../model/part.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Twin } from '../../runtimes/runtime.ts';
import type { Contents } from '../transfer.ts';
import { Archive } from './archive.ts';
import { Globals } from './globals.ts';
import { globalsName } from './names.ts';
import { readEntries } from './select.ts';
import { openSession } from './session.ts';
import { type Follower, outputOf } from './tools.ts';

const NO_LIMIT = 20 * 24 * 3_600_000;
const NEVER = new AbortController().signal;

export async function fromDump(source: SourceRecord, open: Open): Promise<Contents> {
  const byDatabase = new Map(
    source.artifacts.flatMap(({ name }) => {
      const database = source.settings[name];
      return database === undefined ? [] : [[database, name] as const];
    }),
  );
  return {
    databases: [...byDatabase.keys()].toSorted(),
    tables: {},
    partial: source.database !== undefined,
    globals: () => open(globalsName(source.name)),
    archive: (database) => open(byDatabase.get(database) ?? ''),
  };
}

/** Nobody writes to a twin: what is dumped one after the other is of one point. */
export async function fromTwin(_source: SourceRecord, twin: Twin, login: Login): Promise<Contents> {
  await using session = await openSession(twin, login, 'stillpoint/restore');
  const rows = await session.query('SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname');
  const run = async (argv: readonly string[], follower: Follower) => {
    const env = { PGHOST: twin.scratch, PGPORT: '5432', PGUSER: login.user, LC_ALL: 'C' };
    const process = await twin.exec(argv, { env, limit: NO_LIMIT });
    process.stdin.on('error', () => undefined).end();
    return outputOf(process, argv[0] ?? '', follower, NEVER);
  };
  return {
    databases: rows.map((it) => it.datname ?? ''),
    tables: {},
    partial: false,
    globals: () => run(['pg_dumpall', '--globals-only', '-l', 'template1'], new Globals()),
    archive: (database) => run(['pg_dump', '--format=custom', '--compress=0', '-d', database], new Archive()),
  };
}

/** Only that part. Throws `not-found`, naming the nearest, and `ambiguous`. */
export async function narrow(contents: Contents, { databases, tables, nearest }: Part): Promise<Contents> {
  for (const database of databases) mustBeThere(contents, database, nearest);
  const wanted = new Map<string, TableName[]>();
  for (const table of tables) {
    const database = await databaseOf(contents, table, nearest);
    if (!databases.includes(database)) wanted.set(database, [...(wanted.get(database) ?? []), table]);
  }
  return {
    ...contents,
    databases: [...new Set([...databases, ...wanted.keys()])],
    tables: Object.fromEntries(wanted),
    partial: true,
  };
}

function mustBeThere({ databases }: Contents, database: string, nearest: Nearest): void {
  if (databases.includes(database)) return;
  throw notFound(`database '${database}'`, databases, nearest(database, databases));
}

/** The database that has this table. */
async function databaseOf(contents: Contents, name: TableName, nearest: Nearest): Promise<string> {
  if (name.database !== undefined) mustBeThere(contents, name.database, nearest);
  const found: string[] = [];
  const known: string[] = [];
  for (const database of name.database === undefined ? contents.databases : [name.database]) {
    for (const entry of await readEntries(await contents.archive(database))) {
      if (entry.kind !== 'TABLE') continue;
      if (entry.schema === name.schema && entry.name === name.table) found.push(database);
      known.push(
        formatTable({ ...(name.database === undefined ? {} : { database }), schema: entry.schema, table: entry.name }),
      );
    }
  }
  const [first, ...more] = found;
  if (first === undefined) throw notFound(`table ${formatTable(name)}`, known, nearest(formatTable(name), known));
  if (more.length === 0) return first;
  const each = found.map((database) => formatTable({ ...name, database }));
  throw new StillpointError('ambiguous', `Several databases have a table ${formatTable(name)}: ${each.join(', ')}.`, {
    next: `Name one of them: --table ${each[0]}`,
  });
}

function notFound(what: string, known: readonly string[], near: string | undefined): StillpointError {
  const hint =
    near !== undefined
      ? `did you mean '${near}'?`
      : known.length <= 10
        ? `it has: ${known.join(', ') || 'none'}.`
        : `it has ${known.length} others.`;
  return new StillpointError('not-found', `The backup has no ${what}; ${hint}`, { next: 'stillpoint show ID' });
}
