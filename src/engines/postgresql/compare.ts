import type { Difference, SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Compared } from '../engine.ts';
import { isWithin, readPrints, rowsDiffer } from '../prints.ts';
import { type Print, prints, type Scope } from './fingerprint.ts';
import { asCut, readSequences } from './sequences.ts';
import { openSession, type Session } from './session.ts';

/** Reads the same fingerprint from `at` and compares it, line by line, with the stored one. */
export async function* compare(
  at: Instance,
  login: Login,
  source: SourceRecord,
  open: Open,
): AsyncGenerator<Difference, Compared> {
  const expected = await readPrints<Print>(open, source.fingerprint, keyOf);
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await openSession(at, login, 'stillpoint/compare'));
  const scope: Scope = {
    kind: source.method === 'dump' ? 'dump' : 'files',
    ...(source.database === undefined ? {} : { database: source.database }),
  };
  const rows = await first.query('SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname');
  const databases = source.database === undefined ? rows.map((it) => it.datname ?? '') : [source.database];
  const sessions: Session[] = [];
  for (const database of databases)
    sessions.push(stack.use(await openSession(at, login, 'stillpoint/compare', database)));
  const compared = { tables: 0, rows: 0, objects: 0 };
  const unsettled = new Set<string>();
  // Whoever made the backup may not have been allowed to read them.
  const passwords = [...expected.values()].some((it) => it.kind === 'password');
  for await (const print of prints(sessions, asCut(await readSequences(sessions)), [], scope)) {
    if (print.kind === 'password' && !passwords) continue;
    if (isUnsettled(expected, print)) {
      unsettled.add(nameOf(print));
      continue;
    }
    const key = keyOf(print);
    const before = expected.get(key);
    expected.delete(key);
    if (print.kind === 'table' && 'rows' in print) {
      compared.tables++;
      compared.rows += print.rows;
    } else compared.objects++;
    const text = before === undefined ? 'is in the restored copy but was not there at the cut' : differ(before, print);
    if (text !== undefined) yield { source: source.name, kind: print.kind, name: nameOf(print), text };
  }
  for (const missing of expected.values()) {
    if ('unsettled' in missing) continue;
    yield { source: source.name, kind: missing.kind, name: nameOf(missing), text: 'is missing from the restored copy' };
  }
  return { ...compared, ...(unsettled.size === 0 ? {} : { unsettled: unsettled.size }) };
}

/** Its definition is part of no key then: of constraints that share a name none is compared. */
const isUnsettled = (expected: ReadonlyMap<string, Print>, { kind, database, name }: Print): boolean => {
  const print = expected.get(JSON.stringify([kind, database, name, '']));
  return print !== undefined && 'unsettled' in print;
};

const keyOf = (print: Print): string =>
  JSON.stringify([
    print.kind,
    print.database,
    print.name,
    'definition' in print && MANY.has(print.kind) ? print.definition : '',
  ]);
/** Kinds of which several share a name: their definition tells them apart. */
const MANY = new Set(['membership', 'constraint']);

const nameOf = (print: Print): string => (print.database === '' ? print.name : `${print.database}.${print.name}`);

/** One sentence when the two differ. Sequences may have been set on by recovery, never back. */
function differ(before: Print, after: Print): string | undefined {
  if ('rows' in before && 'rows' in after) return rowsDiffer(before, after);
  if ('low' in before && 'low' in after) {
    if (isWithin(before, after)) return undefined;
    return `stands at ${after.low}; at the cut it stood at ${before.low} and recovery may set it on to ${before.high} at most`;
  }
  if ('definition' in before && 'definition' in after) {
    if (before.definition === after.definition) return undefined;
    return before.kind === 'password'
      ? 'is not the one that it was at the cut'
      : `is defined as '${after.definition}', at the cut as '${before.definition}'`;
  }
  return 'is of another kind than at the cut';
}
