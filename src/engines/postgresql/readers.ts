import { messageOf, StillpointError } from '../../model/errors.ts';
import { fill, Raw, type Session } from './session.ts';
import { tablesToLock } from './tables.ts';

/**
 * One session per database, each in a transaction whose snapshot becomes the point and that keeps every table from being
 * truncated or dropped (ACCESS SHARE) until it ends: an emptied table is empty for older snapshots, too (manual 13.6).
 * The locks are taken before the window, because with many tables they take longer than the rest of it, and before the
 * snapshot, because a truncation between the two would go unseen.
 */
export class Readers {
  readonly sessions: readonly Session[];
  readonly #statements: Readonly<Record<string, string>>;
  #locked = false;

  constructor(sessions: readonly Session[], statements: Readonly<Record<string, string>>) {
    this.sessions = sessions;
    this.#statements = statements;
  }

  /** Begins, and locks what is there now. No snapshot yet: writers go on and are seen. */
  async lock(): Promise<void> {
    await Promise.all(
      this.sessions.map(async (session) => {
        await session.query('ROLLBACK');
        await session.query(fill(this.#statements.guardDump));
        // Listed in a transaction of its own: the list must not fix the snapshot.
        await lockTables(session, this.#statements, fill(this.#statements.openSnapshot));
      }),
    );
    this.#locked = true;
  }

  /** Fixes the snapshots; which is whose. The second time everything is begun anew. */
  async pin(): Promise<readonly { readonly database: string; readonly snapshot: string }[]> {
    if (!this.#locked) await this.lock();
    this.#locked = false;
    return Promise.all(
      this.sessions.map(async (session) => {
        const [row] = await session.query(fill(this.#statements.exportSnapshot));
        return { database: session.database, snapshot: row?.snapshot ?? '' };
      }),
    );
  }

  /** Locks what came into being between the list and the snapshot, too. */
  async lockRest(session: Session): Promise<void> {
    await lockTables(session, this.#statements);
  }
}

async function lockTables(
  session: Session,
  statements: Readonly<Record<string, string>>,
  begin?: string,
): Promise<void> {
  const tables = await tablesToLock(session);
  const steps = [
    ...(begin === undefined ? [] : [begin]),
    ...(tables.length === 0 ? [] : [fill(statements.lock, { tables: new Raw(tables.map((it) => it.sql).join(', ')) })]),
  ];
  if (steps.length === 0) return;
  try {
    await session.query(steps.join('; '));
  } catch (cause) {
    throw new StillpointError(
      'source-changed',
      `The tables of database ${session.database} could not be locked against being dropped or truncated: ${messageOf(cause)}.`,
      { next: 'Wait until the change of the schema is done and run it again.', cause },
    );
  }
}
