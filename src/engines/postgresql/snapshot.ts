import type { ServerChange } from '../../model/change.ts';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { Artifact } from '../../model/manifest.ts';
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
import { notCompared, printsAround } from './around.ts';
import { asLines } from './fingerprint.ts';
import { acquireBudget, TableHold } from './hold.ts';
import { imageOf, type Segments } from './image.ts';
import { type CaptureParts, openParts } from './parts.ts';
import { fill, type Session, sqlStateOf } from './session.ts';
import { Sight } from './sight.ts';

/** SQLSTATE insufficient_privilege. */
const NO_RIGHT = '42501';

/** The snapshot method: storage is cut by somebody else; this makes the cut short, proves what it holds, and stores it. */
export async function openSnapshot(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture> {
  const parts = await openParts(at, login, plan, run);
  run.tell('session', `session ${parts.control.name} opened`);
  return new Snapshot(parts);
}

class Snapshot implements Capture {
  readonly #parts: CaptureParts;
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  #holders: readonly Session[] = [];
  #readers: readonly Session[] = [];
  #ready: { readonly barrier: TableHold; readonly sight: Sight } | undefined;
  #fingerprinted = false;
  /** Where the last checkpoint before the window began; the image's own is no older. */
  #redo = '';

  constructor(parts: CaptureParts) {
    this.#parts = parts;
  }

  async prepare(): Promise<void> {
    const { plan, open, control, statements, holdLimit, tell } = this.#parts;
    await this.#checkpoint();
    const { databases, settings } = plan.facts;
    const holders = await Promise.all(databases.map((it) => open(it)));
    const readers = await Promise.all(databases.map((it) => open(it)));
    for (const reader of readers) reader.lost.addEventListener('abort', () => this.#sessionLost(reader));
    const acquire = acquireBudget(settings, holdLimit);
    const barrier = new TableHold({ holders, control, statements, acquire, limit: holdLimit });
    // Once the hold is over, or where there was none, those that hold are free to look.
    const sight = new Sight({ control, readers, others: holders, statements });
    await sight.warm();
    [this.#holders, this.#readers, this.#ready] = [holders, readers, { barrier, sight }];
    tell('window-sessions', `${2 * databases.length} sessions in ${databases.length} databases`);
  }

  async ready(): Promise<readonly ServerChange[]> {
    await this.#prepared().barrier.ready();
    return [];
  }

  async hold(room: Millis): Promise<Hold> {
    const { barrier, sight } = this.#prepared();
    const hold = await barrier.hold(room);
    // What a table lock does not stop is read at both ends of the cut.
    return { ...hold, witness: async () => (await Promise.all([hold.witness(), sight.lookAgain()]))[0] };
  }

  flush(): Promise<void> {
    return this.#prepared().sight.flush(this.#parts.id);
  }

  cut(): Promise<Position> {
    return this.#prepared().sight.pin(this.#parts.id);
  }

  /** Storage is one instant by itself; what is asked is only whether it is known to the transaction which. */
  async still(): Promise<readonly Reason[]> {
    await this.#prepared().sight.lookAgain();
    return [];
  }

  async finish(put: Put, cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured> {
    const { plan, tell, at, stack } = this.#parts;
    const { sight } = this.#prepared();
    if (!cut) throw new StillpointError('internal', 'The snapshot was finished before it was cut.');
    await using room = watchRoom(at, plan);
    const during = AbortSignal.any([signal, this.lost, room.low]);
    const excluded: Reason[] = [];
    const unsettled: string[] = [];
    const name = `${plan.name}.fingerprint.ndjson`;
    // First, because it keeps the server from clearing away old rows.
    const prints = printsAround(this.#readers, await sight.pinAfter(), sight.sequences, excluded, unsettled);
    const stored = await store(put, name, asLines(prints), during);
    this.#fingerprinted = true;
    tell('fingerprint', 'every table, sequence, role and definition fingerprinted as of the cut');
    const needed = await this.#segments(sight.to);
    await Promise.all([...this.#readers, ...this.#holders].map((it) => it[Symbol.asyncDispose]()));
    const artifacts: Artifact[] = [];
    for await (const { name, tar } of imageOf(plan, cut, needed)) artifacts.push(await store(put, name, tar, during));
    tell('files', 'all files stored as they were at the cut');
    const definition = await at.definition(plan.facts.paths.data);
    await stack.disposeAsync();
    const { bootstrap_superuser: superuser = 'postgres', programs, ...settings } = plan.facts.settings;
    return {
      position: sight.position(),
      definition:
        programs === undefined || definition.programs !== undefined ? definition : { ...definition, programs },
      settings: { ...settings, superuser },
      excluded,
      reasons: [sight.reason(), ...notCompared(unsettled)],
      fingerprint: name,
      artifacts: [...artifacts, stored],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  #prepared(): { readonly barrier: TableHold; readonly sight: Sight } {
    if (!this.#ready) throw new StillpointError('internal', 'The snapshot was held before it was prepared.');
    return this.#ready;
  }

  /** The less log there is since the last one, the sooner a restored server is there. */
  async #checkpoint(): Promise<void> {
    const { control, statements, tell } = this.#parts;
    try {
      await control.query(fill(statements.checkpoint));
      tell('checkpoint', 'checkpoint made: little log to replay');
    } catch (cause) {
      if (sqlStateOf(cause) !== NO_RIGHT) throw cause;
      tell('checkpoint', `no checkpoint of our own (${messageOf(cause)}); a restore replays more log`);
    }
    const [row] = await control.query('SELECT redo_lsn AS lsn FROM pg_control_checkpoint()');
    this.#redo = row?.lsn ?? '';
  }

  /** The log that recovery of the image reads. */
  async #segments(to: string): Promise<Segments> {
    const [row] = await this.#parts.control.query(
      `SELECT pg_walfile_name('${this.#redo}') AS first, pg_walfile_name('${to}') AS last`,
    );
    return { first: row?.first ?? '', last: row?.last ?? '' };
  }

  #sessionLost({ database, lost }: Session): void {
    if (this.#fingerprinted || this.#parts.stack.disposed) return;
    const text = `The session that kept what the fingerprint sees in database ${database} was ended by the server.`;
    this.#lost.abort(new StillpointError('source-changed', text, { cause: lost.reason }));
  }
}
