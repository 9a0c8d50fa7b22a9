import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import { newTar } from '../../runtimes/pack.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import type { Contents } from '../transfer.ts';
import { fromDump } from './contents.ts';
import { globalsName } from './names.ts';
import { NEEDED_LIBRARIES } from './quarantine.ts';
import { runTool } from './run-tool.ts';
import { archiveOf, leftOutNotes } from './select.ts';
import { startServer } from './server.ts';
import { quoteName } from './session.ts';

export async function restoreDump(source: SourceRecord, open: Open, into: Twin): Promise<Login> {
  return (await buildServer(source, await fromDump(source, open), into)).login;
}

/** Makes an empty server of the same kind and fills it: globals by psql, each database by pg_restore, all by the server's own programs. */
export async function buildServer(
  source: SourceRecord,
  contents: Contents,
  into: Twin,
): Promise<{ readonly login: Login; readonly notes: readonly string[] }> {
  const superuser = source.settings.superuser ?? 'postgres';
  await runTool(into, initdb(source, superuser, into.root), {});
  const login: Login = { user: superuser, database: 'template1' };
  const needed = (source.settings.shared_preload_libraries ?? '').split(',').map((it) => it.trim());
  const session = await startServer(into, login, {
    shared_preload_libraries: needed.filter((it) => NEEDED_LIBRARIES.includes(it)).join(','),
    // What is loaded into a server that is thrown away need not be logged.
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_wal_size: '4GB',
  });
  // Nobody may be logged in to a database that is dropped and made anew.
  await session[Symbol.asyncDispose]();
  const env = { PGHOST: into.scratch, PGPORT: '5432', PGUSER: superuser, LC_ALL: 'C' };
  const globals = await rewritten(contents, into, superuser);
  await runTool(into, ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'template1', '-f', '-'], env, globals);
  const notes: string[] = [];
  for (const database of contents.databases) {
    const { archive, leftOut } = await archiveOf(contents, database);
    notes.push(...leftOutNotes(database, leftOut));
    await runTool(into, pgRestore(database), env, archive);
  }
  // What initdb made and the source did not have; known only when all of it was dumped.
  if (!contents.partial && !contents.databases.includes('postgres')) {
    const drop = `DROP DATABASE ${quoteName('postgres')}`;
    await runTool(into, ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'template1', '-c', drop], env);
  }
  return { login, notes };
}

/** The dumps as they are, for pg_restore and psql. */
export async function dumpFiles(source: SourceRecord, open: Open, target: Target): Promise<void> {
  for (const { name, plainBytes } of source.artifacts) {
    if (!name.endsWith('.dump') && name !== globalsName(source.name)) continue;
    const tar = newTar();
    const plain = await open(name);
    const entry = tar.entry({ name, mode: 0o600, size: plainBytes });
    const filled = pipeline(plain, entry).then(() => tar.finalize());
    filled.catch((cause: unknown) => tar.destroy(cause instanceof Error ? cause : new Error(String(cause))));
    await Promise.all([filled, target.write(tar as unknown as Readable)]);
  }
}

/** template0 of the new server must be like the old one's, and the pages as well checked. */
function initdb(source: SourceRecord, superuser: string, root: string): readonly string[] {
  const { settings } = source;
  const major = Number.parseInt(source.version, 10);
  const { template0_datcollate: collate = 'C', template0_datctype: ctype = 'C' } = settings;
  const locale = settings.template0_datlocale ?? settings.template0_daticulocale;
  const provider: readonly string[] =
    settings.template0_datlocprovider === 'i' && locale !== undefined
      ? ['--locale-provider=icu', `--icu-locale=${locale}`]
      : settings.template0_datlocprovider === 'b' && locale !== undefined
        ? ['--locale-provider=builtin', `--builtin-locale=${locale}`]
        : [];
  const rules = settings.template0_daticurules;
  const checked = settings.data_checksums === 'on';
  return [
    'initdb',
    `--pgdata=${root}`,
    `--username=${superuser}`,
    '--auth=trust',
    '--no-sync',
    `--encoding=${settings.server_encoding ?? 'UTF8'}`,
    `--lc-collate=${collate}`,
    `--lc-ctype=${ctype}`,
    ...['messages', 'monetary', 'numeric', 'time'].map((it) => `--lc-${it}=C`),
    ...provider,
    ...(rules === undefined ? [] : [`--icu-rules=${rules}`]),
    ...(checked ? ['--data-checksums'] : major >= 18 ? ['--no-data-checksums'] : []),
  ];
}

/** postgres and template1 are in every new server: they are dropped first and made as they were. */
function pgRestore(database: string): readonly string[] {
  const isThere = database === 'postgres' || database === 'template1';
  const other = database === 'template1' ? 'postgres' : 'template1';
  return ['pg_restore', '--exit-on-error', '--create', ...(isThere ? ['--clean'] : []), '-d', other];
}

async function rewritten(contents: Contents, into: Twin, superuser: string): Promise<Readable> {
  const { rewriteGlobals } = await import('./globals.ts');
  const folderOf = (number: number): string => `${TABLESPACES}/${number}`;
  const globals = rewriteGlobals(
    await text(await contents.globals()),
    superuser,
    (number) => `${into.root}/${folderOf(number)}`,
  );
  if (globals.folders.length > 0) {
    const tar = newTar();
    tar.entry({ name: TABLESPACES, type: 'directory', mode: 0o700 });
    for (let number = 1; number <= globals.folders.length; number++)
      tar.entry({ name: folderOf(number), type: 'directory', mode: 0o700 });
    tar.finalize();
    await into.write(tar as unknown as Readable);
  }
  return Readable.from([globals.text]);
}

const TABLESPACES = 'stillpoint_tablespaces';
