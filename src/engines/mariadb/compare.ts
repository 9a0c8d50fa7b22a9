import type { Difference, SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Compared } from '../engine.ts';
import { isWithin, readPrints, rowsDiffer } from '../prints.ts';
import { countersOf } from './counters.ts';
import { counterPrints, type Print, printOf } from './fingerprint.ts';
import { accountsOf, objectsOf } from './objects.ts';
import { openSession, type Session } from './session.ts';
import { hasRows, tablesOf, userDatabases } from './tables.ts';

/** Reads the same fingerprint from `at` and compares it, line by line, with the stored one. */
export async function* compare(
  at: Instance,
  login: Login,
  source: SourceRecord,
  open: Open,
): AsyncGenerator<Difference, Compared> {
  const expected = await readPrints<Print>(open, source.fingerprint, keyOf);
  await using session = await openSession(at, login, 'stillpoint/compare');
  const compared = { tables: 0, rows: 0, objects: 0 };
  for await (const print of printsOf(session, source, expected)) {
    const key = keyOf(print);
    const before = expected.get(key);
    expected.delete(key);
    if ('rows' in print) {
      compared.tables++;
      compared.rows += print.rows;
    } else compared.objects++;
    const text = before === undefined ? 'is in the restored copy but was not there at the cut' : differ(before, print);
    if (text !== undefined) yield { source: source.name, kind: print.kind, name: nameOf(print), text };
  }
  for (const missing of expected.values())
    yield { source: source.name, kind: missing.kind, name: nameOf(missing), text: 'is missing from the restored copy' };
  return compared;
}

/** Tables without a print, because nothing pinned their rows at the cut, are not read; their definitions are. */
async function* printsOf(
  session: Session,
  { database, method }: SourceRecord,
  expected: ReadonlyMap<string, Print>,
): AsyncGenerator<Print> {
  const databases = database === undefined ? await userDatabases(session) : [database];
  const tables = await tablesOf(session, databases);
  if (database === undefined) yield* await accountsOf(session);
  yield* await objectsOf(session, databases, tables);
  const counters = await countersOf(session, tables);
  yield* counterPrints(counters, counters);
  for (const table of tables.filter(hasRows)) {
    if (expected.has(keyOf({ kind: 'table', database: table.database, name: table.name })))
      yield await printOf(session, table, method === 'dump' ? 'dump' : 'files', []);
  }
}

const keyOf = ({ kind, database, name }: Pick<Print, 'kind' | 'database' | 'name'>): string =>
  JSON.stringify([kind, database, name]);
const nameOf = ({ database, name }: Print): string =>
  database === '' || database === name ? name : `${database}.${name}`;

/** One sentence when the two differ. */
function differ(before: Print, after: Print): string | undefined {
  if ('rows' in before && 'rows' in after) return rowsDiffer(before, after);
  if ('low' in before && 'low' in after) {
    if (isWithin(before, after)) return undefined;
    return `stands at ${after.low}; before the cut it stood at ${before.low}, and when all was stored at ${before.high}`;
  }
  if ('definition' in before && 'definition' in after) {
    return before.definition === after.definition
      ? undefined
      : `is defined as '${after.definition}', at the cut as '${before.definition}'`;
  }
  return 'is of another kind than at the cut';
}
