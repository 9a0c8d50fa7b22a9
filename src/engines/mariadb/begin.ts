import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Millis } from '../../model/time.ts';
import type { Process } from '../../runtimes/runtime.ts';
import { quoteText, type Session } from './session.ts';
import { lastLines } from './tools.ts';
import { openTransactions } from './transactions.ts';

const LOOK_EVERY = 4;

/**
 * Lets a waiting mariadb-dump go and returns when its transaction is open: before that it may not be said that it has
 * the point. It is the session of our user that came after all others, and whose view stays open from one look to the
 * next; where there is a binary log, the position in the dump's own head is compared as well. Undefined when the dump was
 * so small that all of it is done already: then it lies in the window as a whole.
 */
export async function beginDump(
  tool: Process,
  options: string,
  control: Session,
  limit: Millis,
): Promise<number | undefined> {
  const [last] = await control.query('SELECT MAX(id) AS id, USER() AS me FROM information_schema.PROCESSLIST');
  const user = (last?.me ?? '').replace(/@[^@]*$/, '');
  let ended: { readonly code: number; readonly text: string } | undefined;
  tool.exit.then(
    ({ code, stderr }) => {
      ended = { code, text: `exit status ${code}: ${lastLines(stderr) || 'it said nothing'}` };
    },
    (cause: unknown) => {
      ended = { code: -1, text: messageOf(cause) };
    },
  );
  tool.stdin.end(options);
  const deadline = performance.now() + limit;
  let candidates: readonly number[] = [];
  while (performance.now() < deadline) {
    if (ended?.code === 0) return undefined;
    if (ended !== undefined) throw new StillpointError('backup-failed', `mariadb-dump did not begin: ${ended.text}`);
    const reading = (await openTransactions(control)).reading.filter((it) => it > Number(last?.id));
    const found = candidates.find((it) => reading.includes(it));
    if (found !== undefined) return found;
    candidates = await ofUser(control, reading, user);
    await sleep(LOOK_EVERY);
  }
  throw new StillpointError('hold-lost', `mariadb-dump had not begun its transaction after ${limit} ms.`);
}

async function ofUser(control: Session, ids: readonly number[], user: string): Promise<readonly number[]> {
  if (ids.length === 0) return [];
  const rows = await control.query(
    `SELECT id FROM information_schema.PROCESSLIST WHERE id IN (${ids.join(', ')}) AND user = ${quoteText(user)}`,
  );
  return rows.map((it) => Number(it.id));
}
