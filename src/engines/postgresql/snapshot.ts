import type { ServerChange } from '../../model/change.ts';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Reason } from '../../model/level.ts';
import type { Artifact } from '../../model/manifest.ts';
import type { SourcePlan } from '../../model/plan.ts';
import type { Position } from '../../model/position.ts';
import type { Login } from '../../model/secret.ts';
import type { Millis } from '../../model/time.ts';
import type { Put } from '../../repositories/repository.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Capture, Captured, CutFiles, Hold } from '../capture.ts';
import type { CaptureRun, Tell } from '../engine.ts';
import { watchRoom } from '../room.ts';
import { store } from '../stored.ts';
import { printsAround } from './around.ts';
import { asLines } from './fingerprint.ts';
import { acquireBudget, TableHold } from './hold.ts';
import { imageOf, type Segments } from './image.ts';
import { applicationName } from './names.ts';
import { between, type CutSequences, readSequences, type Sequences } from './sequences.ts';
import { fill, openSession, type Session } from './session.ts';
import { onlyEnded } from './transactions.ts';

/** The snapshot method: storage is cut by somebody else; this makes the cut short, proves what it holds, and stores it. */
export async function openSnapshot(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture> {
  const stack = new AsyncDisposableStack();
  const open = async (database?: string): Promise<Session> =>
    stack.use(await openSession(at, login, applicationName(run.id), database));
  try {
    const control = await open();
    run.tell('session', `session ${control.name} opened`);
    return new Snapshot({ ...run, at, plan, statements: plan.statements, stack, open, control });
  } catch (cause) {
    await stack.disposeAsync();
    throw cause;
  }
}

interface Parts {
  readonly id: RunId;
  readonly holdLimit: Millis;
  readonly tell: Tell;
  readonly at: Instance;
  readonly plan: SourcePlan;
  readonly statements: Readonly<Record<string, string>>;
  readonly stack: AsyncDisposableStack;
  readonly open: (database?: string) => Promise<Session>;
  readonly control: Session;
}

/** The commit of ours that made durable what was visible before it. */
interface Flush {
  readonly before: string;
  readonly transaction: string;
}

class Snapshot implements Capture {
  readonly #parts: Parts;
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  #holders: readonly Session[] = [];
  /** Pinned just before the cut: one for each database, for the fingerprint. */
  #readers: readonly Session[] = [];
  /** Pinned just after it, where transactions ended meanwhile. */
  #after: readonly Session[] = [];
  #barrier: TableHold | undefined;
  #flushed: Flush | undefined;
  #seen: readonly string[] = [];
  #before: ReadonlyMap<string, Sequences> = new Map();
  #sequences: CutSequences = new Map();
  /** Objects that were changing while the cut was taken. */
  readonly #unsettled: string[] = [];
  #fingerprinted = false;
  /** Where the last checkpoint before the window began; the image's own is no older. */
  #redo = '';
  /** The cut holds all of the log up to here, and none from `#to` on. */
  #from = '';
  #to = '';

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async prepare(): Promise<void> {
    const { plan, open, control, statements, holdLimit, tell } = this.#parts;
    try {
      await control.query(fill(statements.checkpoint));
      tell('checkpoint', 'checkpoint made: little log to replay');
    } catch (cause) {
      // Only a right that is missing: the image has more log to replay, and is as good.
      tell('checkpoint', `no checkpoint of our own (${messageOf(cause)}); a restore replays more log`);
    }
    this.#redo = await this.#ask('SELECT redo_lsn AS lsn FROM pg_control_checkpoint()');
    const { databases, settings } = plan.facts;
    this.#holders = await Promise.all(databases.map((it) => open(it)));
    this.#readers = await Promise.all(databases.map((it) => open(it)));
    for (const reader of this.#readers) reader.lost.addEventListener('abort', () => this.#sessionLost(reader));
    const acquire = acquireBudget(settings, holdLimit);
    this.#barrier = new TableHold({ holders: this.#holders, control, statements, acquire, limit: holdLimit });
    // Once before it counts: the first run of a query fills the session's catalog caches, which takes ten times as long.
    await Promise.all(this.#readers.map((it) => it.query(fill(statements.guardReader))));
    await Promise.all([readSequences(this.#readers), this.#look(control), ...this.#readers.map((it) => this.#pin(it))]);
    tell('window-sessions', `${2 * databases.length} sessions in ${databases.length} databases`);
  }

  async ready(): Promise<readonly ServerChange[]> {
    await this.#prepared().ready();
    return [];
  }

  async hold(room: Millis): Promise<Hold> {
    const hold = await this.#prepared().hold(room);
    // What a table lock does not stop is read at both ends of the cut.
    return { ...hold, witness: async () => (await Promise.all([hold.witness(), this.#readEnd()]))[0] };
  }

  async flush(): Promise<void> {
    const { control, statements, id } = this.#parts;
    const before = await this.#look(control);
    const [row] = await control.query(fill(statements.flush, { run: id }));
    this.#flushed = { before, transaction: row?.transaction ?? '' };
  }

  async cut(): Promise<Position> {
    this.#seen = await Promise.all(this.#readers.map((it) => this.#pin(it)));
    this.#before = await readSequences(this.#readers);
    // What the fingerprint sees must be in the image: nothing was committed since the flush, or it is flushed again.
    const flushed = this.#flushed;
    if (!flushed || !this.#seen.every((it) => onlyEnded(flushed.transaction, flushed.before, it))) await this.flush();
    this.#from = await this.#ask('SELECT pg_current_wal_flush_lsn() AS lsn');
    return { text: `every commit up to ${this.#from}`, values: { from: this.#from } };
  }

  /** Storage is one instant by itself; what is asked is only whether it is known to the transaction which. */
  async still(): Promise<readonly Reason[]> {
    const { control, statements } = this.#parts;
    const now = await this.#look(control);
    this.#after = [];
    if (!this.#seen.every((it) => onlyEnded(this.#flushed?.transaction, it, now))) {
      await Promise.all(
        this.#holders.map(async (it) => {
          await it.query(`ROLLBACK; ${fill(statements.unguard)}; ${fill(statements.guardReader)}`);
          await this.#pin(it);
        }),
      );
      this.#after = this.#holders;
    }
    await this.#readEnd();
    return [];
  }

  async finish(put: Put, cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured> {
    const { plan, tell, at, stack } = this.#parts;
    if (!cut || this.#to === '') throw new StillpointError('internal', 'The snapshot was finished before it was cut.');
    await using room = watchRoom(at, plan);
    const during = AbortSignal.any([signal, this.lost, room.low]);
    const excluded: Reason[] = [];
    const name = `${plan.name}.fingerprint.ndjson`;
    // First, because it keeps the server from clearing away old rows.
    const prints = printsAround(this.#readers, this.#after, this.#sequences, excluded, this.#unsettled);
    const stored = await store(put, name, asLines(prints), during);
    this.#fingerprinted = true;
    tell('fingerprint', 'every table, sequence, role and definition fingerprinted as of the cut');
    const needed = await this.#segments();
    await Promise.all([...this.#readers, ...this.#holders].map((it) => it[Symbol.asyncDispose]()));
    const artifacts: Artifact[] = [];
    for await (const { name, tar } of imageOf(plan, cut, needed)) artifacts.push(await store(put, name, tar, during));
    tell('files', 'all files stored as they were at the cut');
    const definition = await at.definition(plan.facts.paths.data);
    await stack.disposeAsync();
    const { bootstrap_superuser: superuser = 'postgres', programs, ...settings } = plan.facts.settings;
    return {
      position: this.#position(),
      definition:
        programs === undefined || definition.programs !== undefined ? definition : { ...definition, programs },
      settings: { ...settings, superuser },
      excluded,
      reasons: this.#reasons(),
      fingerprint: name,
      artifacts: [...artifacts, stored],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  #position(): Position {
    const [from, to] = [this.#from, this.#to];
    const exact = this.#after.length === 0;
    const text = exact
      ? `transaction snapshot ${this.#seen[0]}, every commit up to ${from}, cut before ${to}`
      : `every commit up to ${from}, cut before ${to}`;
    return { text, values: { from, to, ...(exact ? { transactions: this.#seen[0] ?? '' } : {}) } };
  }

  /** How exactly the cut is known; a cut of storage is one instant in any case. */
  #reasons(): readonly Reason[] {
    const exact = this.#after.length === 0;
    const text = exact
      ? `no transaction ended during the cut: it is exactly ${this.#seen[0]}`
      : `transactions ended during the cut: it holds every commit up to ${this.#from}, and of the later ones those before the cut`;
    const unsettled = this.#unsettled.join(', ');
    return [
      { code: exact ? 'exact' : 'interval', text },
      ...(unsettled === ''
        ? []
        : [{ code: 'not-compared', text: `changed around the cut, so verify does not compare: ${unsettled}` }]),
    ];
  }

  /** Fixes what a session sees; the text of its transaction snapshot. */
  async #pin(session: Session): Promise<string> {
    await session.query(`ROLLBACK; ${fill(this.#parts.statements.openSnapshot)}`);
    return this.#look(session);
  }

  async #look(session: Session): Promise<string> {
    return (await session.query(fill(this.#parts.statements.witness)))[0]?.transactions ?? '';
  }

  /** The LSN that a query on the control session answers. */
  async #ask(sql: string): Promise<string> {
    return (await this.#parts.control.query(sql))[0]?.lsn ?? '';
  }

  #prepared(): TableHold {
    if (!this.#barrier) throw new StillpointError('internal', 'The snapshot was held before it was prepared.');
    return this.#barrier;
  }

  async #readEnd(): Promise<void> {
    this.#to = await this.#ask('SELECT pg_current_wal_insert_lsn() AS lsn');
    this.#sequences = between(this.#before, await readSequences(this.#readers));
  }

  /** The log that recovery of the image reads. */
  async #segments(): Promise<Segments> {
    const [row] = await this.#parts.control.query(
      `SELECT pg_walfile_name('${this.#redo}') AS first, pg_walfile_name('${this.#to}') AS last`,
    );
    return { first: row?.first ?? '', last: row?.last ?? '' };
  }

  #sessionLost({ database, lost }: Session): void {
    if (this.#fingerprinted || this.#parts.stack.disposed) return;
    const text = `The session that kept what the fingerprint sees in database ${database} was ended by the server.`;
    this.#lost.abort(new StillpointError('source-changed', text, { cause: lost.reason }));
  }
}
