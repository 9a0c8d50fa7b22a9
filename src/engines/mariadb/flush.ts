import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerChange } from '../../model/change.ts';
import { StillpointError } from '../../model/errors.ts';
import { undoOf } from '../recipe.ts';
import { errorOf, fill, quoteText, type Row, type Session } from './session.ts';

/** InnoDB writes and syncs its log in the background every innodb_flush_log_at_timeout seconds; 1 by default. */
const BACKGROUND_LIMIT = 3_000;

/** The setting that FLUSH depends on, and the value with which it flushes. */
const SETTING = 'innodb_flush_log_at_trx_commit';
const FLUSHES = '1';

/** What is known of a server's own flushing before it is asked to flush. */
export interface FlushPlan {
  /** What a flush is going to change for a moment. */
  readonly changes: readonly ServerChange[];
  /** Where the server flushes every commit by itself: a point in its log that every commit of an earlier setting lies before. */
  readonly since?: bigint;
}

export async function planFlush(session: Session, statements: Readonly<Record<string, string>>): Promise<FlushPlan> {
  const before = await settingOf(session, SETTING);
  if (before === FLUSHES) return { changes: [], since: (await logOf(session)).current };
  const undo = fill(statements[undoOf('flush')], { before: Number(before) });
  return { changes: [{ what: SETTING, before, during: FLUSHES, undo }] };
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
 * own flush is awaited. Where every commit was flushed by itself nothing is left to do: `since`, as planned.
 */
export async function flushLog(
  session: Session,
  statements: Readonly<Record<string, string>>,
  since: bigint | undefined,
): Promise<void> {
  const [log = [], [setting] = []] = await session.queryAll([LOG, `SELECT @@GLOBAL.${SETTING} AS value`]);
  const { current: target, flushed: already } = logIn(log);
  if (since !== undefined && setting?.value === FLUSHES && already >= since) return;
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
export const logOf = async (session: Session): Promise<Log> => logIn(await session.query(LOG));

export interface Log {
  readonly current: bigint;
  readonly flushed: bigint;
}

/** What tells it; beside other questions in one round trip. */
export const LOG = "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_%'";

export function logIn(rows: readonly Row[]): Log {
  const read = (name: string): bigint => BigInt(rows.find((it) => it.Variable_name === name)?.Value ?? '0');
  return { current: read('Innodb_lsn_current'), flushed: read('Innodb_lsn_flushed') };
}
