import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import { formatRef } from '../../model/ref.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { JournaledChange } from '../engine.ts';
import { settingOf } from './flush.ts';
import { holdMark, MARKED, readMarkSql, runOf } from './names.ts';
import { errorOf, openSession } from './session.ts';

/** Sessions of runs, by the named locks that they hold; then settings, once nobody is left who could change them again. */
export async function* leftovers(
  at: Instance,
  login: Login,
  changes: readonly JournaledChange[],
): AsyncGenerator<Leftover> {
  await using session = await openSession(at, login, 'stillpoint/recover');
  const found = await session.query(
    `SELECT p.id, p.command, LEFT(COALESCE(p.info, ''), 60) AS info FROM information_schema.PROCESSLIST p WHERE ${MARKED}`,
  );
  for (const row of found) {
    const id = Number(row.id);
    const [digits] = await session.query(readMarkSql(id));
    const run = runOf(Object.values(digits ?? {}).map((it) => it ?? ''));
    if (run === undefined) continue;
    const [hold] = await session.query(`SELECT IS_USED_LOCK('${holdMark(id)}') AS holder`);
    const does = row.info || (row.command ?? '').toLowerCase();
    yield {
      run,
      kind: 'session',
      what: `session ${id} on ${formatRef(at.ref)} (${does})`,
      holds: hold?.holder === String(id),
      async remove() {
        try {
          await session.query(`KILL CONNECTION ${id}`);
        } catch (cause) {
          // It may have ended by itself (ER_NO_SUCH_THREAD).
          if (errorOf(cause).code === 'ER_NO_SUCH_THREAD') return;
          throw new StillpointError('still-held', `Session ${id} of ${formatRef(at.ref)} cannot be ended.`, {
            next: `mariadb -e 'KILL CONNECTION ${id}'   # as a user with CONNECTION ADMIN`,
            cause,
          });
        }
      },
    };
  }
  for (const { run, what, before, during, undo } of changes) {
    if ((await settingOf(session, what)) !== during) continue;
    yield {
      run,
      kind: 'setting',
      what: `setting ${what} of ${formatRef(at.ref)}, which was ${before} and is ${during}`,
      holds: false,
      async remove() {
        // Between the look and now somebody may have set it.
        if ((await settingOf(session, what)) !== during) return;
        await session.query(undo).catch((cause: unknown) => {
          throw new StillpointError('backup-failed', `${formatRef(at.ref)} does not let us: ${messageOf(cause)}.`, {
            next: `mariadb -e '${undo}'   # as a user with SUPER`,
            cause,
          });
        });
      },
    };
  }
}
