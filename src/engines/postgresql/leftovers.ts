import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { isId, type RunId } from '../../model/id.ts';
import type { Leftover } from '../../model/leftover.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import { openSession, quoteText, type Session } from './session.ts';

const END_LIMIT = 5_000;

const FOUND = `
SELECT 'session' AS kind, substr(application_name, 12) AS run, pid::text AS name, left(query, 60) AS detail,
       EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.mode = 'ShareLock' AND l.locktype = 'relation') AS holds
FROM pg_stat_activity a WHERE application_name LIKE 'stillpoint/%' AND pid <> pg_backend_pid()
UNION ALL
SELECT 'slot', substr(slot_name, 12), slot_name, CASE WHEN active THEN 'active' ELSE 'inactive' END, false
FROM pg_replication_slots WHERE slot_name LIKE 'stillpoint\\_%'`;

/** Sessions and slots of runs; nothing is changed here that its session's end does not take back. Sessions come first: a slot that one uses goes with it. */
export async function* leftovers(at: Instance, login: Login): AsyncGenerator<Leftover> {
  await using session = await openSession(at, login, 'stillpoint/recover');
  for (const row of await session.query(FOUND)) {
    const run = row.run ?? '';
    const name = row.name ?? '';
    if (!isId(run)) continue;
    const isSession = row.kind === 'session';
    yield {
      run,
      kind: row.kind ?? '',
      what: isSession
        ? `session ${name} on ${formatRef(at.ref)} (${row.detail})`
        : `replication slot ${name} on ${formatRef(at.ref)} (${row.detail})`,
      holds: row.holds === 't',
      async remove() {
        const sql = isSession ? endSql(name, run) : dropSql(name);
        try {
          await session.query(sql);
          if (isSession) await untilGone(session, sql);
        } catch (cause) {
          const where = formatRef(at.ref);
          throw new StillpointError('backup-failed', `${where} does not let us: ${messageOf(cause)}.`, {
            next: `psql -c ${quoteForShell(sql)}   # as a superuser`,
            cause,
          });
        }
      },
    };
  }
}

const endSql = (pid: string, run: RunId): string =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${Number(pid)} AND application_name = ${quoteText(`stillpoint/${run}`)}`;
const dropSql = (slot: string): string =>
  `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = ${quoteText(slot)}`;
const quoteForShell = (sql: string): string => `"${sql.replaceAll(/["\\$`]/g, '\\$&')}"`;

/** A session that is told to end still holds what it holds until it has. */
async function untilGone(session: Session, endSql: string): Promise<void> {
  const deadline = performance.now() + END_LIMIT;
  while ((await session.query(endSql)).length > 0) {
    if (performance.now() > deadline) throw new Error(`it has not ended after ${END_LIMIT} ms`);
    await sleep(20);
  }
}
