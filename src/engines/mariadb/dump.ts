import type { ServerChange } from '../../model/change.ts';
import { StillpointError } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { Artifact } from '../../model/manifest.ts';
import type { SourcePlan } from '../../model/plan.ts';
import type { Position } from '../../model/position.ts';
import type { Login } from '../../model/secret.ts';
import type { Millis } from '../../model/time.ts';
import type { Put } from '../../repositories/repository.ts';
import type { Instance, Process } from '../../runtimes/runtime.ts';
import type { Capture, Captured, CutFiles, Hold } from '../capture.ts';
import type { CaptureRun } from '../engine.ts';
import { Barrier, type BarrierParts, openParts } from './barrier.ts';
import { beginDump } from './begin.ts';
import { type Counter, countersOf } from './counters.ts';
import { asNdjson, counterPrints, type Print, tablePrints } from './fingerprint.ts';
import { DumpHead } from './head.ts';
import { dumpName, systemName } from './names.ts';
import type { ObjectPrint } from './objects.ts';
import { asPosition, movedSince, type Place, readPlace } from './position.ts';
import { fill, openMarked, type Session } from './session.ts';
import { hasRows, isTransactional, tablesOf } from './tables.ts';
import { optionFile, outputOf, startTool } from './tools.ts';
import { checkUnchanged, definitionsOf } from './unchanged.ts';

/** The dump method: the server's own mariadb-dump, whose transaction begins while writes are held. */
export async function openDump(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture> {
  return new Dump(await openParts(at, login, plan, run));
}

class Dump implements Capture {
  readonly #parts: BarrierParts;
  readonly #barrier: Barrier;
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  readonly #databases: readonly string[];
  #reader: Session | undefined;
  #tool: Process | undefined;
  #definitions: readonly ObjectPrint[] = [];
  #counters: readonly Counter[] = [];
  #place: Place | undefined;
  #position: Position | undefined;

  constructor(parts: BarrierParts) {
    this.#parts = parts;
    this.#barrier = new Barrier(parts);
    const { database, facts } = parts.plan;
    this.#databases = database === undefined ? facts.databases : [database];
  }

  async prepare(): Promise<void> {
    const { at, login, plan, stack, control, id, tell } = this.#parts;
    await this.#barrier.prepare();
    this.#reader = await openMarked(stack, at, login, id);
    await this.#reader.query(fill(plan.statements.guardSnapshot));
    const { lost } = this.#reader;
    const tellLost = (): void => {
      const text = 'The session that kept the point for the fingerprint was ended by the server.';
      this.#lost.abort(new StillpointError('source-changed', text, { cause: lost.reason }));
    };
    lost.addEventListener('abort', tellLost, { once: true });
    this.#definitions = await definitionsOf(control, this.#databases, plan.database === undefined);
    this.#counters = await countersOf(control, await tablesOf(control, this.#databases));
    await this.#startTool();
    tell('window-sessions', 'sessions opened, mariadb-dump waits to begin');
  }

  ready(): Promise<readonly ServerChange[]> {
    return this.#barrier.ready();
  }

  hold(room: Millis): Promise<Hold> {
    return this.#barrier.hold(room);
  }

  flush(): Promise<void> {
    return this.#barrier.flush();
  }

  async cut(): Promise<Position> {
    const { at, login, control, plan, holdLimit } = this.#parts;
    const reader = this.#reader;
    if (!reader) throw new StillpointError('internal', 'The dump was cut before it was prepared.');
    if (this.#position) await this.#startTool();
    const tool = this.#tool;
    if (!tool) throw new StillpointError('internal', 'The dump was cut before mariadb-dump was started.');
    // The place first: unheld, a commit between the two then shows as one that moved on.
    this.#place = await readPlace(control);
    await reader.query(fill(plan.statements.openSnapshot));
    const session = await beginDump(tool, optionFile(at, login, control.endpoint), control, holdLimit);
    const what = session === undefined ? 'dumped within the window' : `transaction of session ${session}`;
    this.#position = asPosition(what, this.#place);
    return this.#position;
  }

  async still(): Promise<readonly Reason[]> {
    return movedSince(this.#parts.control, this.#place, 'between the dump and its fingerprint');
  }

  async finish(put: Put, _cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured> {
    const { plan, tell, at, control, stack } = this.#parts;
    const [position, place, tool, reader] = [this.#position, this.#place, this.#tool, this.#reader];
    if (!position || !place || !tool || !reader)
      throw new StillpointError('internal', 'The dump was finished before it was cut.');
    const during = AbortSignal.any([signal, this.lost]);
    const artifacts: Artifact[] = [];
    const head = new DumpHead();
    const output = outputOf(tool, 'mariadb-dump', during, (chunk) => head.see(chunk));
    artifacts.push(await put(dumpName(plan.name), output));
    head.check(place);
    tell('dumped', `${this.#databases.length} databases dumped`);
    if (plan.database === undefined) {
      artifacts.push(await put(systemName(plan.name), await this.#system(during)));
      tell('system', 'users, roles, grants and foreign servers stored');
    }
    const name = `${plan.name}.fingerprint.ndjson`;
    const excluded: Reason[] = [];
    artifacts.push(await put(name, asNdjson(this.#prints(reader, excluded))));
    checkUnchanged(this.#definitions, await definitionsOf(control, this.#databases, plan.database === undefined));
    tell('fingerprint', 'every table, user and definition fingerprinted at the point');
    const definition = await at.definition(plan.facts.paths.data);
    await stack.disposeAsync();
    return { position, definition, settings: plan.facts.settings, excluded, reasons: [], fingerprint: name, artifacts };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  /** Before the window: a program in a container takes longer to start than everything else the window does. */
  async #startTool(): Promise<void> {
    const { at, plan, stack } = this.#parts;
    await this.#tool?.[Symbol.asyncDispose]();
    const binlog = plan.facts.settings.log_bin === 'ON' ? ['--master-data=2', '--gtid'] : [];
    const what = ['--routines', '--events', '--triggers', '--hex-blob', '--quick', '--max-allowed-packet=1G'];
    const args = ['--single-transaction', ...binlog, ...what, '--default-character-set=utf8mb4'];
    this.#tool = stack.use(await startTool(at, 'mariadb-dump', [...args, '--databases', ...this.#databases]));
  }

  /** Users are in tables without transactions: they must not have changed since the point, see `checkUnchanged`. */
  async #system(signal: AbortSignal): Promise<ReturnType<typeof outputOf>> {
    const { at, login, control } = this.#parts;
    const args = ['--system=users,servers,udfs', '--insert-ignore', '--default-character-set=utf8mb4'];
    const process = await startTool(at, 'mariadb-dump', args);
    process.stdin.end(optionFile(at, login, control.endpoint));
    return outputOf(process, 'mariadb-dump of users and grants', signal);
  }

  async *#prints(reader: Session, excluded: Reason[]): AsyncGenerator<Print> {
    const { control } = this.#parts;
    const tables = await tablesOf(control, this.#databases);
    yield* this.#definitions;
    yield* counterPrints(this.#counters, await countersOf(control, tables));
    for (const { database, name, engine } of tables.filter((it) => hasRows(it) && !isTransactional(it))) {
      const text = `${database}.${name} is a table of ${engine}, which has no transactions: it is in the dump as it was when it was read, after the point`;
      excluded.push({ code: 'not-transactional', text });
    }
    yield* tablePrints(reader, tables, 'dump', excluded);
  }
}
