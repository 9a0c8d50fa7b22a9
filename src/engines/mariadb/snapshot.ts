import type { ServerChange } from '../../model/change.ts';
import { StillpointError } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { SourcePlan } from '../../model/plan.ts';
import type { Position } from '../../model/position.ts';
import type { Login } from '../../model/secret.ts';
import type { Millis } from '../../model/time.ts';
import type { Put } from '../../repositories/repository.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Capture, Captured, CutFiles, Hold } from '../capture.ts';
import type { CaptureRun } from '../engine.ts';
import { watchRoom } from '../room.ts';
import { store } from '../stored.ts';
import { Barrier, type BarrierParts, openParts } from './barrier.ts';
import { type Counter, countersOf, leastNumbers } from './counters.ts';
import { asNdjson, counterPrints, type Print, tablePrints } from './fingerprint.ts';
import { LOG, logIn } from './flush.ts';
import { binlogsOf, imageName, imageOf } from './image.ts';
import type { ObjectPrint } from './objects.ts';
import { asPosition, movedSince, PLACE, type Place, placeOf } from './position.ts';
import { fill, openMarked, type Session } from './session.ts';
import { type Table, tablesOf } from './tables.ts';
import { checkUnchanged, definitionsOf } from './unchanged.ts';
import { readNow, type Unpinned, unmoved, unpinnedOf } from './without-transactions.ts';

/** The snapshot method: storage is cut by somebody else while commits are held; the server recovers the image by itself. */
export async function openSnapshot(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture> {
  return new Snapshot(await openParts(at, login, plan, run));
}

/** What is known of a cut. */
interface Point {
  readonly place: Place;
  readonly lsn: bigint;
}

class Snapshot implements Capture {
  readonly #parts: BarrierParts;
  readonly #barrier: Barrier;
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  readonly #databases: readonly string[];
  #reader: Session | undefined;
  #tables: readonly Table[] = [];
  #unpinned: Unpinned = { small: [], reasons: [] };
  #definitions: readonly ObjectPrint[] = [];
  #counters: readonly Counter[] = [];
  /** Tables without transactions, before and after the cut; empty where writes were not held. */
  #ends: readonly (readonly Print[])[] = [];
  #point: Point | undefined;
  #fingerprinted = false;

  constructor(parts: BarrierParts) {
    this.#parts = parts;
    this.#barrier = new Barrier(parts);
    this.#databases = parts.plan.facts.databases;
  }

  async prepare(): Promise<void> {
    const { at, login, plan, stack, control, id, tell } = this.#parts;
    await this.#barrier.prepare();
    // Not the session that holds: a view that is opened there is lost when the hold ends.
    const reader = await openMarked(stack, at, login, id);
    this.#reader = reader;
    await reader.query(fill(plan.statements.guardSnapshot));
    reader.lost.addEventListener('abort', () => this.#sessionLost(reader), { once: true });
    this.#tables = await tablesOf(control, this.#databases);
    this.#definitions = await definitionsOf(control, this.#databases, true);
    refuseElsewhere(this.#definitions);
    this.#counters = await countersOf(control, this.#tables);
    this.#unpinned = unpinnedOf(this.#tables);
    // Once before it counts: what the window asks has been asked.
    await readNow(control, this.#unpinned.small);
    tell('window-sessions', `sessions opened; ${this.#unpinned.small.length} tables to be read within the window`);
  }

  ready(): Promise<readonly ServerChange[]> {
    return this.#barrier.ready();
  }

  async hold(room: Millis): Promise<Hold> {
    const hold = await this.#barrier.hold(room);
    const witness: Hold['witness'] = async () => {
      const seen = await hold.witness();
      const now = await readNow(this.#parts.control, this.#unpinned.small);
      this.#ends = [...this.#ends.slice(-1), now];
      return seen;
    };
    return { ...hold, witness };
  }

  flush(): Promise<void> {
    return this.#barrier.flush();
  }

  async cut(): Promise<Position> {
    const { openSnapshot } = this.#parts.plan.statements;
    if (!this.#reader) throw new StillpointError('internal', 'The snapshot was cut before it was prepared.');
    // The place first: unheld, a commit between the two then shows as one that moved on.
    const [status = [], gtid = [], log = []] = await this.#reader.queryAll([...PLACE, LOG, fill(openSnapshot)]);
    this.#point = { place: placeOf([status, gtid]), lsn: logIn(log).flushed };
    return positionOf(this.#point);
  }

  async still(): Promise<readonly Reason[]> {
    return movedSince(this.#parts.control, this.#point?.place, 'between the cut and its fingerprint');
  }

  async finish(put: Put, cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured> {
    const { plan, tell, at, control, stack } = this.#parts;
    const [reader, point] = [this.#reader, this.#point];
    if (!cut || !reader || !point)
      throw new StillpointError('internal', 'The snapshot was finished before it was cut.');
    await using room = watchRoom(at, plan);
    const during = AbortSignal.any([signal, this.lost, room.low]);
    const reasons: Reason[] = [...this.#unpinned.reasons];
    const fingerprint = `${plan.name}.fingerprint.ndjson`;
    // First, because it keeps the server from clearing away old rows.
    const stored = await store(put, fingerprint, asNdjson(this.#prints(reader, reasons)), during);
    checkUnchanged(this.#definitions, await definitionsOf(control, this.#databases, true));
    this.#fingerprinted = true;
    await reader[Symbol.asyncDispose]();
    tell('fingerprint', 'every table, user and definition fingerprinted at the point');
    const files = await cut(plan.facts.paths.data);
    const image = await store(put, imageName(plan.name), imageOf(files), during);
    tell('files', 'all files stored as they were at the cut');
    const definition = await at.definition(plan.facts.paths.data);
    await stack.disposeAsync();
    const artifacts = [image, stored];
    const settings = { ...plan.facts.settings, ...(await binlogsOf(files, plan.facts.settings)) };
    return { position: positionOf(point), definition, settings, excluded: [], reasons, fingerprint, artifacts };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  async *#prints(reader: Session, reasons: Reason[]): AsyncGenerator<Print> {
    const { control } = this.#parts;
    yield* this.#definitions;
    const least = await leastNumbers(reader, this.#tables);
    const low = this.#counters.map((it) => ({ ...it, value: least.get(`${it.database}.${it.name}`) ?? it.value }));
    yield* counterPrints(low, await countersOf(control, await tablesOf(control, this.#databases)));
    const [before = [], after = []] = this.#ends;
    for (const { database, name } of before.length === 0 ? this.#unpinned.small : [])
      reasons.push({
        code: 'not-compared',
        text: `${database}.${name} has no transactions and was not held: not compared`,
      });
    yield* unmoved(before, after, reasons);
    yield* tablePrints(reader, this.#tables, 'files', reasons);
  }

  #sessionLost({ lost }: Session): void {
    if (this.#fingerprinted || this.#parts.stack.disposed) return;
    const text = 'The session that kept the point for the fingerprint was ended by the server.';
    this.#lost.abort(new StillpointError('source-changed', text, { cause: lost.reason }));
  }
}

/** SHOW CREATE names the folder of a table that does not lie in the data directory, which is all that the image holds. */
function refuseElsewhere(definitions: readonly ObjectPrint[]): void {
  const other = definitions.find((it) => it.kind === 'definition' && /\b(DATA|INDEX) DIRECTORY='/.test(it.definition));
  if (!other) return;
  throw new StillpointError(
    'method-impossible',
    `The table ${other.database}.${other.name} was made with DATA DIRECTORY: it lies outside of what is cut.`,
    { next: 'Use --method dump.' },
  );
}

function positionOf({ place, lsn }: Point): Position {
  const { text, values } = asPosition(`image with InnoDB's log up to ${lsn}`, place);
  return { text, values: { ...values, lsn: String(lsn) } };
}
