import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import { formatTable } from '../../model/part.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Contents, InTheWay } from '../transfer.ts';
import { readEntries } from './select.ts';
import { openSession, quoteText, type Session } from './session.ts';
import { toolsOutOfReach } from './tools.ts';

const APPLICATION = 'stillpoint/restore';

/** Objects that initdb did not make have numbers from 16384 on (src/include/access/transam.h, FirstNormalObjectId). */
const OWN_OBJECTS = `
SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relpersistence <> 't') AS relations,
       (SELECT count(*) FROM pg_proc WHERE oid >= 16384) + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp')
       + (SELECT count(*) FROM pg_type WHERE oid >= 16384 AND typtype IN ('e', 'd', 'r')) + (SELECT count(*) FROM pg_extension WHERE oid >= 16384)
       + (SELECT count(*) FROM pg_largeobject_metadata) + (SELECT count(*) FROM pg_event_trigger) + (SELECT count(*) FROM pg_publication) AS others`;

/** What a running server has that the restore would replace or mix with. Only reads; throws `preflight` where it cannot go on. */
export async function inTheWay(
  source: SourceRecord,
  contents: Contents,
  at: Instance,
  login: Login,
): Promise<readonly InTheWay[]> {
  await using session = await openSession(at, login, APPLICATION, 'postgres');
  await checkServer(source, at, session);
  const rows = await session.query('SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname');
  const there = rows.map((it) => it.datname ?? '');
  const wanted = await databasesToLoad(contents);
  const found: InTheWay[] = [];
  const dropped: string[] = [];
  for (const database of contents.partial ? wanted.filter((it) => there.includes(it)) : there) {
    await using other = await openSession(at, login, APPLICATION, database);
    const [own] = await other.query(OWN_OBJECTS);
    const tables = contents.tables[database];
    if (tables !== undefined) {
      for (const { schema, table } of tables) {
        const [row] = await other.query(
          `SELECT pg_size_pretty(pg_total_relation_size(c.oid)) AS size FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p') AND n.nspname = ${quoteText(schema)} AND c.relname = ${quoteText(table)}`,
        );
        if (row)
          found.push({ what: `table ${formatTable({ database, schema, table })} (${row.size})`, fate: 'is replaced' });
      }
      continue;
    }
    const isWanted = wanted.includes(database);
    if (isWanted) dropped.push(database);
    if (Number(own?.relations) + Number(own?.others) === 0) continue;
    const what = `database ${database} (${own?.relations} tables, views and sequences, ${own?.others} other objects)`;
    found.push({ what, fate: isWanted ? 'is dropped and made again' : 'stays as it is, beside what is restored' });
  }
  if (!contents.partial) {
    const roles = await session.query(
      'SELECT rolname FROM pg_roles WHERE oid >= 16384 AND rolname <> current_user ORDER BY 1',
    );
    for (const { rolname } of roles)
      found.push({ what: `role ${rolname}`, fate: 'gets rights and password of the backup, if it is in it' });
  }
  await nobodyIn(session, dropped);
  return found;
}

/** Those of a whole server that every server has are loaded only where somebody put something into them. */
export async function databasesToLoad(contents: Contents): Promise<readonly string[]> {
  if (contents.partial) return contents.databases;
  const wanted: string[] = [];
  for (const database of contents.databases) {
    const isStandard = database === 'postgres' || database === 'template1';
    if (!isStandard || (await hasOwn(contents, database))) wanted.push(database);
  }
  return wanted;
}

const hasOwn = async (contents: Contents, database: string): Promise<boolean> =>
  (await readEntries(await contents.archive(database))).some(
    ({ kind, name }) =>
      !['ENCODING', 'STDSTRINGS', 'SEARCHPATH', 'DATABASE', 'DATABASE PROPERTIES'].includes(kind) &&
      !(['ACL', 'COMMENT'].includes(kind) && name.startsWith('DATABASE ')),
  );

async function checkServer(source: SourceRecord, at: Instance, session: Session): Promise<void> {
  const [row] = await session.query(`
    SELECT current_setting('server_version_num')::int / 10000 AS major, pg_is_in_recovery() AS standby,
           (SELECT setting FROM pg_config WHERE name = 'BINDIR') AS programs`);
  const major = Number(row?.major);
  const where = formatRef(at.ref);
  if (row?.standby === 't') throw refused(`${where} is a standby: it takes no writes.`, 'Name its primary.');
  if (major < Number.parseInt(source.version, 10))
    throw refused(
      `${where} is PostgreSQL ${major}, and the backup is of ${source.version}: an older pg_restore does not read it.`,
      'Name a server of the same version or a newer one.',
    );
  const tools = await toolsOutOfReach(at, major, row?.programs ?? undefined, ['pg_restore', 'psql']);
  if (tools !== undefined) throw refused(`${tools}.`, 'stillpoint restore ID --files DIR   # and load them by hand');
}

/** A database is not dropped under anybody: they are named, and may be told. Our own sessions of a moment ago are on their way out. */
async function nobodyIn(session: Session, databases: readonly string[]): Promise<void> {
  if (databases.length === 0) return;
  const list = databases.map(quoteText).join(', ');
  const rows = await session.query(`
    SELECT pid, usename, datname, coalesce(nullif(application_name, ''), 'no name') AS application FROM pg_stat_activity
    WHERE datname IN (${list}) AND application_name NOT IN (${quoteText(APPLICATION)}, 'stillpoint/inspect') AND backend_type = 'client backend' ORDER BY pid LIMIT 5`);
  if (rows.length === 0) return;
  const who = rows.map((it) => `session ${it.pid} (${it.usename}, ${it.application}) in ${it.datname}`);
  throw refused(
    `Databases that are to be made again are in use: ${who.join('; ')}.`,
    'Stop these applications and run it again.',
  );
}

const refused = (message: string, next: string): StillpointError =>
  new StillpointError('preflight', message, {
    meaning: 'Nothing was written and nothing was replaced. The backup was not touched.',
    next,
  });
