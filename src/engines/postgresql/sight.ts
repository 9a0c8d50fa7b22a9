import type { RunId } from '../../model/id.ts';
import type { Reason } from '../../model/level.ts';
import type { Position } from '../../model/position.ts';
import { between, type CutSequences, readSequences, type Sequences } from './sequences.ts';
import { fill, type Session } from './session.ts';
import { onlyEnded } from './transactions.ts';

/** Sessions to look at a server with while somebody else cuts its storage. */
export interface Onlookers {
  readonly control: Session;
  /** One per database; what they see just before the cut becomes the fingerprint. */
  readonly readers: readonly Session[];
  /** One per database; they pin what is seen after it, where that is not the same. */
  readonly others: readonly Session[];
  readonly statements: Readonly<Record<string, string>>;
}

/** The commit of ours that made durable what was visible before it. */
interface Flush {
  readonly before: string;
  readonly transaction: string;
}

/**
 * What is known of a cut of storage: it holds all of the log up to `from` and none from `to` on; where no transaction but
 * ours ended around it, it is exactly what the readers see.
 */
export class Sight {
  readonly #with: Onlookers;
  #flushed: Flush | undefined;
  #seen: readonly string[] = [];
  #before: ReadonlyMap<string, Sequences> = new Map();
  #from = '';
  to = '';
  exact = false;
  sequences: CutSequences = new Map();

  constructor(onlookers: Onlookers) {
    this.#with = onlookers;
  }

  /** Once before it counts: the first run of a query fills the session's catalog caches, which takes ten times as long. */
  async warm(): Promise<void> {
    const { readers, control, statements } = this.#with;
    await Promise.all(readers.map((it) => it.query(fill(statements.guardReader))));
    await Promise.all([readSequences(readers), this.#look(control), ...readers.map((it) => this.#pin(it))]);
  }

  /** Makes durable what was committed before. Our own commit is a transaction, too: its number tells it from others. */
  async flush(run: RunId): Promise<void> {
    const { control, statements } = this.#with;
    const before = await this.#look(control);
    const [row] = await control.query(fill(statements.flush, { run }));
    this.#flushed = { before, transaction: row?.transaction ?? '' };
  }

  /** Right before the cut. What the fingerprint sees must be in it: nothing was committed since the flush, or it is flushed again. */
  async pin(run: RunId): Promise<Position> {
    this.#seen = await Promise.all(this.#with.readers.map((it) => this.#pin(it)));
    this.#before = await readSequences(this.#with.readers);
    const flushed = this.#flushed;
    if (!flushed || !this.#seen.every((it) => onlyEnded(flushed.transaction, flushed.before, it)))
      await this.flush(run);
    this.#from = await this.#lsn('pg_current_wal_flush_lsn()');
    return { text: `every commit up to ${this.#from}`, values: { from: this.#from } };
  }

  /** Right after the cut. */
  async lookAgain(): Promise<void> {
    const now = await this.#look(this.#with.control);
    this.exact = this.#seen.every((it) => onlyEnded(this.#flushed?.transaction, it, now));
    this.to = await this.#lsn('pg_current_wal_insert_lsn()');
    this.sequences = between(this.#before, await readSequences(this.#with.readers));
  }

  /** Sessions that see a state after the cut, when writes flow again; none where the readers see the cut itself. */
  async pinAfter(): Promise<readonly Session[]> {
    const { others, statements } = this.#with;
    if (this.exact) return [];
    await Promise.all(
      others.map(async (it) => {
        await it.query(`ROLLBACK; ${fill(statements.unguard)}; ${fill(statements.guardReader)}`);
        await this.#pin(it);
      }),
    );
    return others;
  }

  position(): Position {
    const [from, to, transactions = ''] = [this.#from, this.to, ...this.#seen];
    return this.exact
      ? { text: `transaction snapshot ${transactions}`, values: { from, to, transactions } }
      : { text: `every commit up to ${from}, cut before ${to}`, values: { from, to } };
  }

  /** How exactly the cut is known; that storage was cut at one instant is so in any case. */
  reason(): Reason {
    const text = this.exact
      ? `no transaction ended during the cut: it is exactly ${this.#seen[0]}, every commit up to ${this.#from}`
      : `transactions ended during the cut: it holds every commit up to ${this.#from}, and of the later ones those before the cut`;
    return { code: this.exact ? 'exact' : 'interval', text };
  }

  /** Fixes what a session sees; the text of its transaction snapshot. */
  async #pin(session: Session): Promise<string> {
    await session.query(`ROLLBACK; ${fill(this.#with.statements.openSnapshot)}`);
    return this.#look(session);
  }

  async #look(session: Session): Promise<string> {
    return (await session.query(fill(this.#with.statements.witness)))[0]?.transactions ?? '';
  }

  async #lsn(expression: string): Promise<string> {
    return (await this.#with.control.query(`SELECT ${expression} AS lsn`))[0]?.lsn ?? '';
  }
}
