import { StillpointError } from '../../model/errors.ts';
import { accountsOf, type ObjectPrint, objectsOf } from './objects.ts';
import type { Session } from './session.ts';
import { tablesOf } from './tables.ts';

/** Everything that is defined, and by whom it may be used. */
export async function definitionsOf(
  session: Session,
  databases: readonly string[],
  withAccounts: boolean,
): Promise<readonly ObjectPrint[]> {
  const objects = await objectsOf(session, databases, await tablesOf(session, databases));
  return withAccounts ? [...(await accountsOf(session)), ...objects] : objects;
}

/**
 * A snapshot pins rows, not definitions. A table that was truncated or made anew since then InnoDB refuses to read
 * (error 1412, tried on 10.5, 10.11, 11.8); a column that was added at once, a view, a routine or a grant would be read as
 * it is now. So what was defined before the point must be the same after everything was read. Locks against it are not
 * taken: the first ALTER that waits for one makes every query on its table wait, for as long as the dump runs.
 */
export function checkUnchanged(before: readonly ObjectPrint[], after: readonly ObjectPrint[]): void {
  const [then, now] = [before, after].map((all) => new Map(all.map((it) => [JSON.stringify(it), it])));
  const changed =
    [...(then ?? [])].find(([key]) => !now?.has(key)) ?? [...(now ?? [])].find(([key]) => !then?.has(key));
  if (!changed) return;
  const { kind, database, name } = changed[1];
  const what = kind === 'definition' ? 'table' : kind;
  throw new StillpointError(
    'source-changed',
    `Somebody changed the ${what} ${database === '' || database === name ? name : `${database}.${name}`} before this backup had read everything.`,
    { next: 'Run it again when the change of the schema is done.' },
  );
}
