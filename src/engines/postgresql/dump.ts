import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { ServerChange } from '../../model/change.ts';
import { asStillpointError, messageOf, StillpointError } from '../../model/errors.ts';
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
import { Archive } from './archive.ts';
import { clusterPrints, databasePrints } from './definitions.ts';
import { fingerprint, type Print, type Scope } from './fingerprint.ts';
import { Globals } from './globals.ts';
import { acquireBudget, TableHold } from './hold.ts';
import { applicationName, dumpName, globalsName } from './names.ts';
import { type CaptureParts, openParts } from './parts.ts';
import { Readers } from './readers.ts';
import { between, readSequences, type Sequences } from './sequences.ts';
import { fill, type Session } from './session.ts';
import { movedSince } from './still.ts';
import { holdsData } from './tables.ts';
import { outputOf, type Tools, toolsOf } from './tools.ts';
import { checkUnchanged } from './unchanged.ts';

/** Dumps at once: more would only share the same disk. */
const LANES = 2;
/** Behind a TRUNCATE that waits for our own locks pg_dump would wait for ever, and so would the application. */
const LOCK_WAIT = 10_000;

/** The dump method: a snapshot per database, all of one moment, and the server's own pg_dump on each. */
export async function openDump(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture> {
  const parts = await openParts(at, login, plan, run);
  run.tell('session', `session ${parts.control.name} opened`);
  const { programs } = plan.facts.settings;
  return new Dump({ ...parts, tools: toolsOf(at, login, applicationName(run.id), parts.control.endpoint, programs) });
}

interface Parts extends CaptureParts {
  readonly tools: Tools;
}

class Dump implements Capture {
  readonly #parts: Parts;
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  readonly #scope: Scope;
  readonly #artifacts: Artifact[] = [];
  readonly #excluded: Reason[] = [];
  readonly #early: Print[] = [];
  readonly #before = new Map<string, Sequences>();
  readonly #after = new Map<string, Sequences>();
  readonly #names: Record<string, string> = {};
  #readers = new Readers([], {});
  #holders: readonly Session[] = [];
  #barrier: TableHold | undefined;
  #snapshots = new Map<string, string>();
  #position: Position | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { database } = parts.plan;
    this.#scope = { kind: 'dump', ...(database === undefined ? {} : { database }) };
  }

  async prepare(): Promise<void> {
    const { plan, open, control, statements, holdLimit, tell } = this.#parts;
    const databases = plan.database === undefined ? plan.facts.databases : [plan.database];
    this.#holders = await Promise.all(databases.map((it) => open(it)));
    const sessions = await Promise.all(databases.map((it) => open(it)));
    for (const { lost, database } of sessions) {
      const tellLost = (): void => {
        const text = `The session that kept the point in database ${database} was ended by the server.`;
        this.#lost.abort(new StillpointError('source-changed', text, { cause: lost.reason }));
      };
      lost.addEventListener('abort', tellLost, { once: true });
    }
    this.#readers = new Readers(sessions, statements);
    // Once before it counts: the first query of a session takes ten times as long.
    await Promise.all(sessions.map((it) => it.query(`${fill(statements.openSnapshot)}; ${fill(statements.witness)}`)));
    const acquire = acquireBudget(plan.facts.settings, holdLimit);
    this.#barrier = new TableHold({ holders: this.#holders, control, statements, acquire, limit: holdLimit });
    tell('window-sessions', `${2 * databases.length} sessions in ${databases.length} databases`);
  }

  async ready(): Promise<readonly ServerChange[]> {
    // Anew after an attempt in vain: what the readers lock may have been in the way of the one whom it waited for.
    await this.#readers.lock();
    await this.#prepared().ready();
    return [];
  }

  hold(room: Millis): Promise<Hold> {
    return this.#prepared().hold(room);
  }

  flush(): Promise<void> {
    return this.#prepared().flush(this.#parts.id);
  }

  #prepared(): TableHold {
    if (!this.#barrier) throw new StillpointError('internal', 'The dump was held before it was prepared.');
    return this.#barrier;
  }

  async cut(): Promise<Position> {
    const pinned = await this.#readers.pin();
    this.#snapshots = new Map(pinned.map(({ database, snapshot }) => [database, snapshot]));
    const [first] = this.#readers.sessions;
    const [row] = (await first?.query(fill(this.#parts.statements.witness))) ?? [];
    const transactions = row?.transactions ?? '';
    const many = pinned.length === 1 ? 'database' : 'databases';
    this.#position = {
      text: `transaction snapshot ${transactions} in ${pinned.length} ${many}`,
      values: { transactions, snapshots: pinned.map((it) => `${it.database}=${it.snapshot}`).join(' ') },
    };
    return this.#position;
  }

  async still(): Promise<readonly Reason[]> {
    const { control, statements } = this.#parts;
    const { sessions } = this.#readers;
    const populated = (await Promise.all(sessions.map(holdsData))).filter((it) => it);
    // One transaction is one point by itself, and a database without data has nothing that could be of another.
    if (populated.length < 2) return [];
    const moved = await movedSince(sessions, control, statements);
    return moved.map(({ code, text }) => ({ code, text: `each database is dumped at a point of its own: ${text}` }));
  }

  async finish(put: Put, _cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured> {
    const { plan, tell, at, control, stack } = this.#parts;
    if (!this.#position) throw new StillpointError('internal', 'The dump was finished before it was cut.');
    const failed = new AbortController();
    const during = AbortSignal.any([signal, this.lost, failed.signal]);
    // When one of them fails the others are ended at once, not left to run for hours.
    const guarded = (work: Promise<void>): Promise<void> =>
      work.catch((cause: unknown) => {
        failed.abort(asStillpointError(cause));
        throw during.reason;
      });
    const queue = [...this.#readers.sessions];
    const lane = async (): Promise<void> => {
      for (let reader = queue.shift(); reader && !during.aborted; reader = queue.shift())
        await this.#dump(reader, put, during);
    };
    const work = [this.#dumpGlobals(put, during), ...Array.from({ length: LANES }, lane)].map(guarded);
    await Promise.allSettled(work);
    during.throwIfAborted();
    const name = `${plan.name}.fingerprint.ndjson`;
    const sequences = between(this.#before, this.#after, 'dump');
    const prints = fingerprint(this.#readers.sessions, sequences, this.#excluded, this.#scope, this.#early);
    await this.#store(put, name, prints);
    tell('fingerprint', 'every table, sequence, role and definition fingerprinted at the point');
    const settings = { ...plan.facts.settings, ...(await clusterSettings(control)), ...this.#names };
    const { bootstrap_superuser: superuser = 'postgres', programs, ...rest } = settings;
    const definition = await at.definition(plan.facts.paths.data);
    await stack.disposeAsync();
    return {
      position: this.#position,
      definition:
        programs === undefined || definition.programs !== undefined ? definition : { ...definition, programs },
      settings: { ...rest, superuser },
      excluded: this.#excluded,
      reasons: [],
      fingerprint: name,
      artifacts: this.#artifacts,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  async #store(put: Put, name: string, stream: Readable): Promise<void> {
    this.#artifacts.push(await put(name, stream));
  }

  /** Roles, memberships, tablespaces. pg_dumpall knows no snapshot: so they must not have changed since the point. */
  async #dumpGlobals(put: Put, signal: AbortSignal): Promise<void> {
    const { plan, tools, control, tell } = this.#parts;
    const [reader] = this.#readers.sessions;
    if (!reader) return;
    const [may] = await control.query("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS passwords");
    const passwords = may?.passwords === 't';
    if (!passwords)
      this.#excluded.push({ code: 'role-passwords', text: 'passwords of roles: this login may not read pg_authid' });
    const args = ['--globals-only', '--no-password', ...(passwords ? [] : ['--no-role-passwords'])];
    const process = await tools.start('pg_dumpall', args, control.database);
    await this.#store(put, globalsName(plan.name), outputOf(process, 'pg_dumpall', new Globals(), signal));
    const [then = [], now = []] = await Promise.all([reader, control].map((it) => clusterPrints(it, this.#scope)));
    const other = firstChange(then, now);
    if (other) {
      throw new StillpointError(
        'source-changed',
        `The ${other.kind} ${other.name} was changed after the point of this backup and before pg_dumpall had read it.`,
        { next: 'Run it again when roles and databases are no longer being changed.' },
      );
    }
    this.#early.push(...then);
    tell('globals', 'roles, memberships and tablespaces stored');
  }

  async #dump(reader: Session, put: Put, signal: AbortSignal): Promise<void> {
    const { plan, tools, tell } = this.#parts;
    const { database } = reader;
    // The session that held is free now; where the server ended it, the one that keeps the point does.
    const beside = this.#holders.find((it) => it.database === database && !it.lost.aborted) ?? reader;
    await this.#readers.lockRest(reader);
    const what = `pg_dump of database ${database}`;
    const [self] = await reader.query('SELECT oid FROM pg_database WHERE datname = current_database()');
    const name = dumpName(plan.name, database, self?.oid ?? '');
    if (beside !== reader) await beside.query(fill(this.#parts.statements.unguard));
    await remember(this.#before, beside);
    const snapshot = this.#snapshots.get(database) ?? '';
    const args = ['--format=custom', '--compress=0', '--no-password', `--lock-wait-timeout=${LOCK_WAIT}`];
    const process = await tools.start('pg_dump', [...args, `--snapshot=${snapshot}`], database);
    const output = outputOf(process, what, new Archive(), signal);
    try {
      this.#early.push(...(await databasePrints(reader, this.#scope, this.#excluded)));
      // pg_dump prints nothing before it has read all definitions; so from its first byte on they may change.
      await firstByte(process, signal);
      await checkUnchanged(reader);
      await this.#store(put, name, output);
    } catch (cause) {
      output.destroy();
      await process[Symbol.asyncDispose]();
      signal.throwIfAborted();
      throw (await this.#behindOther(reader, cause)) ?? cause;
    }
    await remember(this.#after, beside);
    this.#names[name] = database;
    tell('dumped', `database ${database} dumped`);
  }

  /** pg_dump queues behind whoever waits for our own locks: neither would ever get on, and only the other one counts. */
  async #behindOther(reader: Session, cause: unknown): Promise<StillpointError | undefined> {
    const [row] = await this.#parts.control.query(`
      SELECT a.pid, a.usename, a.application_name, left(a.query, 80) AS query FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
      WHERE NOT l.granted AND l.mode = 'AccessExclusiveLock' AND ${reader.pid} = ANY (pg_blocking_pids(a.pid)) LIMIT 1`);
    if (!row) return undefined;
    const who = `session ${row.pid} (${row.usename}, ${row.application_name || 'no name'}: ${row.query})`;
    return new StillpointError(
      'source-changed',
      `In database ${reader.database} ${who} waits for the locks of this backup, and pg_dump waited behind it: ${messageOf(cause)}`,
      { meaning: 'No backup was made, so that the session can go on. Earlier backups are untouched.', cause },
    );
  }
}

/** The first of what pg_dumpall prints that is not the same any more. */
function firstChange(then: readonly Print[], now: readonly Print[]): Print | undefined {
  const [before, after] = [then, now].map(
    (prints) => new Map(prints.filter((it) => it.kind !== 'database').map((it) => [JSON.stringify(it), it])),
  );
  const changed =
    [...(before ?? [])].find(([key]) => !after?.has(key)) ?? [...(after ?? [])].find(([key]) => !before?.has(key));
  return changed?.[1];
}

async function remember(into: Map<string, Sequences>, session: Session): Promise<void> {
  for (const [database, sequences] of await readSequences([session])) into.set(database, sequences);
}

/** Waits until it printed something or ended; how it ended is for whoever reads its output. */
async function firstByte({ stdout, exit }: Process, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const waits = [once(stdout, 'readable', { signal: either }), once(stdout, 'close', { signal: either }), exit];
  await Promise.race(waits.map((it) => it.then(nothing, nothing)));
  over.abort();
  signal.throwIfAborted();
}

const nothing = (): void => undefined;

/** How to make an empty server like this one: template0 is as initdb made it. */
export async function clusterSettings(control: Session): Promise<Readonly<Record<string, string>>> {
  const [row] = await control.query("SELECT to_jsonb(d) AS template FROM pg_database d WHERE datname = 'template0'");
  const template: Readonly<Record<string, unknown>> = JSON.parse(row?.template ?? '{}');
  return Object.fromEntries(
    ['datcollate', 'datctype', 'datlocprovider', 'datlocale', 'daticulocale', 'daticurules'].flatMap((key) =>
      typeof template[key] === 'string' ? [[`template0_${key}`, template[key]]] : [],
    ),
  );
}
