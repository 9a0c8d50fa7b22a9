import type { RunId } from '../../model/id.ts';
import type { Reason } from '../../model/level.ts';
import type { Position } from '../../model/position.ts';
import { between, type CutSequences, readSequences, SEQUENCES, type Sequences, sequencesOf } from './sequences.ts';
import { fill, type Row, type Session } from './session.ts';
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

/** All that was visible before it is durable. */
interface Flush {
  readonly before: string;
  /** The commit of ours that made it so; undefined: it was so already. */
  readonly transaction: string | undefined;
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
    const { readers, statements } = this.#with;
    await Promise.all(readers.map((it) => it.query(fill(statements.guardReader))));
    await Promise.all([this.#look(), ...readers.map((it) => this.#pin(it))]);
  }

  /**
   * Makes durable what was committed before; where it is so already, nothing is left to do. Our own commit is a
   * transaction, too: its number tells it from others.
   */
  async flush(run: RunId): Promise<void> {
    const { control, statements } = this.#with;
    const answers = await control.queryAll([await this.#question(), fill(statements.flush, { run })]);
    const { transactions, lsn } = seenIn(answers[0]);
    this.#from = lsn;
    this.#flushed = { before: transactions, transaction: answers.at(-1)?.[0]?.transaction ?? undefined };
  }

  /** Right before the cut. What the fingerprint sees must be in it: nothing was committed since the flush, or it is flushed again. */
  async pin(run: RunId): Promise<Position> {
    const pinned = await Promise.all(this.#with.readers.map((it) => this.#pin(it)));
    this.#seen = pinned.map((it) => it.transactions);
    this.#before = new Map(pinned.map((it) => [it.database, it.sequences]));
    const flushed = this.#flushed;
    if (!flushed || !this.#seen.every((it) => onlyEnded(flushed.transaction, flushed.before, it)))
      await this.flush(run);
    return { text: `every commit up to ${this.#from}`, values: { from: this.#from } };
  }

  /** Right after the cut. Before the first one there is nothing to look back at. */
  async lookAgain(): Promise<void> {
    if (this.#seen.length === 0) return;
    const some = this.#with.readers.filter(({ database }) => this.#before.get(database)?.size !== 0);
    const [now, sequences] = await Promise.all([this.#look(), readSequences(some)]);
    this.exact = this.#seen.every((it) => onlyEnded(this.#flushed?.transaction, it, now.transactions));
    this.to = now.lsn;
    this.sequences = between(this.#before, sequences);
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

  /** Fixes what a session sees; how it calls that, and where its sequences stand. */
  async #pin(session: Session): Promise<Pinned> {
    const { openSnapshot, witness } = this.#with.statements;
    const asked = [await session.planned(fill(witness)), await session.planned(SEQUENCES)];
    const results = await session.queryAll(['ROLLBACK', fill(openSnapshot), ...asked]);
    const [, , [row] = [], sequences = []] = results;
    return {
      database: session.database,
      transactions: row?.transactions ?? '',
      sequences: sequencesOf(sequences),
    };
  }

  async #look(): Promise<Seen> {
    return seenIn(await this.#with.control.query(await this.#question()));
  }

  #question(): Promise<string> {
    const { control, statements } = this.#with;
    return control.planned(`SELECT (${fill(statements.witness)}) AS transactions, pg_current_wal_insert_lsn() AS lsn`);
  }
}

interface Seen {
  readonly transactions: string;
  /** A point in the log behind all that is visible: a statement fixes what it sees before it asks. */
  readonly lsn: string;
}

const seenIn = ([row]: readonly Row[] = []): Seen => ({ transactions: row?.transactions ?? '', lsn: row?.lsn ?? '' });

interface Pinned {
  readonly database: string;
  readonly transactions: string;
  readonly sequences: Sequences;
}
