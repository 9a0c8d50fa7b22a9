import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerChange } from '../../model/change.ts';
import { StillpointError } from '../../model/errors.ts';
import { undoOf } from '../recipe.ts';
import { errorOf, fill, quoteText, type Session } from './session.ts';

/** InnoDB writes and syncs its log in the background every innodb_flush_log_at_timeout seconds; 1 by default. */
const BACKGROUND_LIMIT = 3_000;

/** The setting that FLUSH depends on, and the value with which it flushes. */
const SETTING = 'innodb_flush_log_at_trx_commit';
const FLUSHES = '1';

/** What a flush is going to change for a moment: nothing on a server that flushes every commit by itself. */
export async function changesOf(
  session: Session,
  statements: Readonly<Record<string, string>>,
): Promise<readonly ServerChange[]> {
  const before = await settingOf(session, SETTING);
  if (before === FLUSHES) return [];
  return [
    { what: SETTING, before, during: FLUSHES, undo: fill(statements[undoOf('flush')], { before: Number(before) }) },
  ];
}

/** A global setting as it is now. */
export async function settingOf(session: Session, setting: string): Promise<string> {
  const [row] = await session.query(`SHOW GLOBAL VARIABLES WHERE Variable_name = ${quoteText(setting)}`);
  return row?.Value ?? '';
}

/**
 * Makes every commit durable that was acknowledged with innodb_flush_log_at_trx_commit = 0 or 2, and looks that it is.
 * With these FLUSH ENGINE LOGS alone does nothing (docs/adr/0003-mariadb.md). The setting is changed and changed back by
 * one statement, which the server runs to its end even when we die meanwhile; without the right to that, the background's
 * own flush is awaited.
 */
export async function flushLog(session: Session, statements: Readonly<Record<string, string>>): Promise<void> {
  const { current: target } = await logOf(session);
  try {
    await session.query(fill(statements.flush));
  } catch (cause) {
    if (errorOf(cause).code !== 'ER_SPECIFIC_ACCESS_DENIED_ERROR') throw cause;
  }
  const start = performance.now();
  for (;;) {
    const { flushed } = await logOf(session);
    if (flushed >= target) return;
    if (performance.now() - start > BACKGROUND_LIMIT) {
      throw new StillpointError(
        'backup-failed',
        `Acknowledged commits could not be made durable: InnoDB has ${target - flushed} bytes of log that are not on disk.`,
        {
          next: 'Set innodb_flush_log_at_trx_commit = 1, or give the user SUPER, so that it can be done for a moment.',
        },
      );
    }
    await sleep(10);
  }
}

/** How far the log is, and how far it is on disk. */
export async function logOf(session: Session): Promise<{ readonly current: bigint; readonly flushed: bigint }> {
  const rows = await session.query(
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_lsn_current', 'Innodb_lsn_flushed')",
  );
  const read = (name: string): bigint => BigInt(rows.find((it) => it.Variable_name === name)?.Value ?? '0');
  return { current: read('Innodb_lsn_current'), flushed: read('Innodb_lsn_flushed') };
}
