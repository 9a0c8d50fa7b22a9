import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Millis } from '../../model/time.ts';
import type { Hold, Witness } from '../capture.ts';
import { lease } from '../lease.ts';
import { holdMark } from './names.ts';
import { PLACE, placeOf, placeText } from './position.ts';
import { fill, type Session } from './session.ts';
import { TRANSACTIONS, transactionsOf } from './transactions.ts';

/** What a hold needs: the session that holds, and one beside it to look and flush with. */
export interface HoldSessions {
  readonly holder: Session;
  readonly control: Session;
  readonly statements: Readonly<Record<string, string>>;
  readonly limit: Millis;
}

/** lock_wait_timeout counts in whole seconds (manual); while it waits only DDL and tables without transactions wait behind it. */
const ACQUIRE_SECONDS = 1;

/** Sets the server's limits on the session that is going to hold. Holds nothing; writers notice nothing. */
export async function readyHold({ holder, control, statements, limit }: HoldSessions): Promise<void> {
  await holder.query(fill(statements.guardHold, { acquire: ACQUIRE_SECONDS, limit: Math.ceil(limit / 1000) }));
  await holder.query(`SELECT GET_LOCK('${holdMark(holder.id)}', 0)`);
  // Once before it counts: what the window asks has been asked.
  await control.queryAll(witnessOf(holder));
}

/** What a witness asks, in one round trip: writers wait for it. Members of a cluster, which have a view besides, are not held. */
const witnessOf = ({ id }: Session): readonly string[] => [
  ...PLACE,
  TRANSACTIONS,
  `SELECT IS_USED_LOCK('${holdMark(id)}') AS holder, CONCAT(IF(@@read_only, 'read only', 'writable'), ' server ', @@server_id) AS term`,
];

/**
 * BACKUP STAGE BLOCK_COMMIT: nothing commits, on any table of any engine, and no definition changes (manual: BACKUP STAGE).
 * Statements that read, or that only began to write, are not waited for: a long SELECT does not delay it.
 */
export async function holdWrites(sessions: HoldSessions, room: Millis): Promise<Hold> {
  const { holder, control, statements } = sessions;
  const since = performance.now();
  try {
    // One round trip, and nothing on this session afterwards: the server's idle time-out is what ends the hold.
    await holder.query(fill(statements.hold));
    return held(sessions, since, room);
  } catch (cause) {
    const culprit = await whoIsInTheWay(control);
    await letGo(holder, statements);
    throw new StillpointError(
      'hold-refused',
      `Writes could not be held within ${ACQUIRE_SECONDS} s (${messageOf(cause)}): ${culprit}.`,
      { cause },
    );
  }
}

/** A stage that was not reached leaves those before it; where even their end is refused, ending the session ends them. */
async function letGo(holder: Session, statements: Readonly<Record<string, string>>): Promise<void> {
  await holder.query(fill(statements.resume)).catch(() => holder[Symbol.asyncDispose]());
}

/** Whom BACKUP STAGE waits for the server does not show; those whom it may wait for it does. */
async function whoIsInTheWay(control: Session): Promise<string> {
  const [row] = await control.query(`
    SELECT p.id, p.user, p.db, ROUND(p.time_ms / 1000, 1) AS seconds, LEFT(p.info, 80) AS query
    FROM information_schema.PROCESSLIST p
    WHERE p.command IN ('Query', 'Execute') AND p.id <> CONNECTION_ID() AND p.info NOT LIKE 'BACKUP STAGE%'
      AND p.info NOT REGEXP '^[(]*SELECT' AND p.state NOT LIKE 'Waiting for %' AND p.time_ms > 500 ORDER BY p.time_ms DESC LIMIT 1`);
  return row
    ? `session ${row.id} (${row.user}, database ${row.db ?? 'none'}) has been running for ${row.seconds} s: ${row.query}`
    : 'no statement runs that could be in the way, so a session holds LOCK TABLES … WRITE, or another backup is running';
}

function held({ holder, control, statements }: HoldSessions, since: Millis, room: Millis): Hold {
  const release = async (): Promise<void> => {
    // A session that is lost holds nothing: its locks ended with it.
    if (!holder.lost.aborted) await letGo(holder, statements);
  };
  const { resume, lost, until } = lease({ since, room, sessions: [holder.lost], release });
  let writing: readonly string[] | undefined;
  return {
    since,
    until,
    lost,
    async witness(): Promise<Witness> {
      const [status = [], gtid = [], innodb = [], [row] = []] = await control.queryAll(witnessOf(holder));
      const place = placeText(placeOf([status, gtid]));
      const open = transactionsOf(innodb);
      // Without a binary log nothing counts commits; but each one ends a transaction that was open, and those are listed.
      writing ??= open.writing;
      const ended = writing.filter((it) => !open.writing.includes(it));
      writing = open.writing;
      return {
        session: holder.name,
        holding: row?.holder === String(holder.id) && !lost.aborted,
        transactions: ended.length === 0 ? place : `${place}, transactions ${ended.join(', ')} ended`,
        term: row?.term ?? '',
      };
    },
    resume,
    [Symbol.asyncDispose]: resume,
  };
}
