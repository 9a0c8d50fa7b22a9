import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerChange } from '../../model/change.ts';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { Artifact } from '../../model/manifest.ts';
import type { SourcePlan } from '../../model/plan.ts';
import type { Position } from '../../model/position.ts';
import type { Login } from '../../model/secret.ts';
import type { Millis } from '../../model/time.ts';
import type { Put } from '../../repositories/repository.ts';
import type { Files } from '../../runtimes/files.ts';
import { newTar } from '../../runtimes/pack.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Capture, Captured, CutFiles, Hold } from '../capture.ts';
import type { CaptureRun } from '../engine.ts';
import { store } from '../stored.ts';
import { notCompared, printsAround } from './around.ts';
import { readControl } from './control.ts';
import { asLines } from './fingerprint.ts';
import { acquireBudget, TableHold } from './hold.ts';
import { skipInCopy } from './left-out.ts';
import { slotName } from './names.ts';
import { type CaptureParts, openParts } from './parts.ts';
import { between, type CutSequences, readSequences } from './sequences.ts';
import { fill, type Row, type Session } from './session.ts';
import { movedSince } from './still.ts';

/** The backup session ends itself when nothing was said on it for this long. */
const DEAD_MAN = 60_000;
const HEARTBEAT = 10_000;
/** Below this much room for the log, production comes first: a pinned log must never fill the server's disk. */
const LOW_WATER = 256 << 20;

/** The copy method: slot and backup mode, files while writers go on, stop; then the point; then the log up to it. */
export async function openCopy(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<Capture> {
  const parts = await openParts(at, login, plan, run);
  try {
    const backup = await parts.open();
    run.tell('session', `session ${backup.name} opened`);
    return new Copy({ ...parts, backup, files: await at.files(plan.facts.paths.data) });
  } catch (cause) {
    await parts.stack.disposeAsync();
    throw cause;
  }
}

interface Parts extends CaptureParts {
  /** In backup mode: when it ends, so does that. */
  readonly backup: Session;
  readonly files: Files;
}

class Copy implements Capture {
  readonly #parts: Parts;
  readonly #lost = new AbortController();
  readonly lost = this.#lost.signal;
  readonly #artifacts: Artifact[] = [];
  #started: string | undefined;
  #tablespaceState: string | undefined;
  #stopped: Row | undefined;
  #control: Buffer | undefined;
  #barrier: TableHold | undefined;
  #sequences: CutSequences = new Map();
  #readers: readonly Session[] = [];
  #position: Position | undefined;
  #cuts = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { lost } = parts.backup;
    lost.addEventListener('abort', () => this.#lost.abort(sessionEnded(lost.reason)), { once: true });
  }

  async prepare(put: Put, signal: AbortSignal): Promise<void> {
    const { backup, control, statements, tell, id: run, plan, files, at, stack } = this.#parts;
    await backup.query(fill(statements.guardBackup, { deadman: DEAD_MAN }));
    this.#tablespaceState = await tablespaceState(control);
    const slot = slotName(run);
    await backup.query(fill(statements.pinLog, { slot }));
    tell('slot', `replication slot ${slot} keeps the log`);
    stack.defer(this.#watch(slot));
    const [started] = await backup.query(fill(statements.start, { label: `stillpoint ${run}` }));
    this.#started = started?.lsn ?? '';
    tell('backup-started', `backup mode since ${this.#started}`);

    const during = AbortSignal.any([signal, this.lost]);
    await this.#store(put, `${plan.name}.base.tar`, files.tar({ skip: skipInCopy }), during);
    for (const { oid, location, folder } of await this.#tablespaces()) {
      const tree = await at.files(location);
      const skip = (path: string): boolean => !path.startsWith(folder) || path.includes('/pgsql_tmp');
      await this.#store(put, `${plan.name}.tablespace-${oid}.tar`, tree.tar({ skip }), during);
    }
    this.#control = await readControl(files);
    tell('files', 'all files copied');

    const [stopped] = await backup.query(fill(statements.stop));
    this.#stopped = stopped;
    tell('backup-stopped', `backup mode until ${stopped?.lsn}`);
    await this.#openWindowSessions();
  }

  /** Opened late, so that none sits idle for hours behind a firewall that forgets it; before the window, so that none is opened in it. */
  async #openWindowSessions(): Promise<void> {
    const { open, plan, tell, control, statements, holdLimit } = this.#parts;
    const { databases, settings } = plan.facts;
    const holders = await Promise.all(databases.map((it) => open(it)));
    this.#readers = await Promise.all(databases.map((it) => open(it)));
    const acquire = acquireBudget(settings, holdLimit);
    this.#barrier = new TableHold({ holders, control, statements, acquire, limit: holdLimit });
    // Once before it counts: the first run of a query fills the session's catalog caches, which takes ten times as long.
    await Promise.all([
      readSequences(this.#readers),
      control.query(fill(statements.witness)),
      ...this.#readers.map((it) =>
        it.query(`${fill(statements.openSnapshot)}; ${fill(statements.exportSnapshot)}; ROLLBACK`),
      ),
    ]);
    tell('window-sessions', `${holders.length + this.#readers.length} sessions in ${databases.length} databases`);
  }

  async ready(): Promise<readonly ServerChange[]> {
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
    if (!this.#barrier) throw new StillpointError('internal', 'The copy was held before it was prepared.');
    return this.#barrier;
  }

  async cut(): Promise<Position> {
    const { control, statements, id: run } = this.#parts;
    this.#cuts++;
    if (this.#cuts > 1) await Promise.all(this.#readers.map((it) => it.query('ROLLBACK')));
    const snapshots = await Promise.all(
      this.#readers.map(async (reader) => {
        const [row] = await reader.query(`${fill(statements.openSnapshot)}; ${fill(statements.exportSnapshot)}`);
        return `${reader.database}=${row?.snapshot}`;
      }),
    );
    const before = await readSequences(this.#readers);
    const point = `stillpoint-${run}${this.#cuts > 1 ? `-${this.#cuts}` : ''}`;
    const [row] = await control.query(fill(statements.point, { point }));
    const lsn = row?.lsn ?? '';
    this.#sequences = between(before, await readSequences(this.#readers));
    this.#position = {
      text: `restore point ${point} at ${lsn}`,
      values: { point, lsn, snapshots: snapshots.join(' ') },
    };
    return this.#position;
  }

  still(): Promise<readonly Reason[]> {
    const { control, statements } = this.#parts;
    return movedSince(this.#readers, control, statements);
  }

  async finish(put: Put, _cut: CutFiles | undefined, signal: AbortSignal): Promise<Captured> {
    const { plan, tell, at, stack } = this.#parts;
    const during = AbortSignal.any([signal, this.lost]);
    const position = this.#position;
    if (!position) throw new StillpointError('internal', 'The copy was finished before it was cut.');
    const segments = await this.#logThrough(position.values.lsn ?? '', during);
    const log = await at.files(plan.facts.paths.log);
    await this.#store(put, `${plan.name}.wal.tar`, log.tar({ only: segments }), during);
    await this.#checkLogKept();
    await this.#store(put, `${plan.name}.label.tar`, this.#labels(), during);
    tell('log', `${segments.length} log segments, ${segments[0]} to ${segments.at(-1)}`);
    // From here on the server may drop its log and end backup mode: only the pinned snapshots are still needed.
    await this.#parts.backup[Symbol.asyncDispose]();
    const name = `${plan.name}.fingerprint.ndjson`;
    const excluded: Captured['excluded'][number][] = [];
    const unsettled: string[] = [];
    const prints = printsAround(this.#readers, [], this.#sequences, excluded, unsettled);
    await this.#store(put, name, asLines(prints), signal);
    tell('fingerprint', 'every table, sequence, role and definition fingerprinted at the point');
    const definition = await at.definition(plan.facts.paths.data);
    await stack.disposeAsync();
    const { bootstrap_superuser: superuser = 'postgres', programs, ...settings } = plan.facts.settings;
    return {
      position: { ...position, values: { ...position.values, start: this.#started ?? '', segment: segments[0] ?? '' } },
      definition:
        programs === undefined || definition.programs !== undefined ? definition : { ...definition, programs },
      settings: { ...settings, superuser },
      excluded,
      reasons: notCompared(unsettled),
      fingerprint: name,
      artifacts: this.#artifacts,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.stack.disposeAsync();
  }

  async #store(put: Put, name: string, stream: Readable, signal: AbortSignal): Promise<void> {
    this.#artifacts.push(await store(put, name, stream, signal));
  }

  /** Keeps the backup session alive, and looks after the server's disk. Returns what ends the watch. */
  #watch(slot: string): () => Promise<void> {
    const { backup, control, at, plan, statements } = this.#parts;
    const over = new AbortController();
    const watch = async (): Promise<void> => {
      while (!over.signal.aborted && !backup.lost.aborted) {
        await backup.query('SELECT 1');
        const [status] = await control.query(fill(statements.logStatus, { slot }));
        if (status?.status === 'lost')
          throw new StillpointError(
            'source-changed',
            'The server removed log that this backup needs (max_slot_wal_keep_size).',
          );
        const [volume] = await at.volumes([plan.facts.paths.log]);
        if (volume && volume.freeBytes < LOW_WATER) {
          throw new StillpointError(
            'space-low',
            `Only ${Math.round(volume.freeBytes / 1e6)} MB are free for the log of ${plan.name} (${volume.path}); the copy pins log there.`,
          );
        }
        await sleep(HEARTBEAT, undefined, { signal: over.signal, ref: false });
      }
    };
    const watching = watch().catch((cause: unknown) => {
      if (!over.signal.aborted && !backup.lost.aborted) this.#lost.abort(cause);
    });
    return async () => {
      over.abort();
      await watching;
    };
  }

  async #tablespaces(): Promise<readonly { oid: string; location: string; folder: string }[]> {
    const { control, at } = this.#parts;
    const rows = await control.query(
      "SELECT oid, pg_tablespace_location(oid) AS location FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''",
    );
    return Promise.all(
      rows.map(async (row) => {
        const location = row.location ?? '';
        const names = await (await at.files(location)).names('.');
        // PG_18_202506291: one folder per catalog version (manual 22.6); a tablespace folder may be shared after an upgrade.
        const folder = names.find((it) => it.startsWith(`PG_${this.#parts.plan.facts.major}_`));
        if (folder === undefined)
          throw new StillpointError(
            'source-changed',
            `The tablespace folder ${location} has no folder of this version.`,
          );
        return { oid: row.oid ?? '', location, folder };
      }),
    );
  }

  /** Closes the segment that holds the point, waits until it is durable, and names all segments from the start on. */
  async #logThrough(lsn: string, signal: AbortSignal): Promise<readonly string[]> {
    const { control, statements, plan } = this.#parts;
    const [name] = await control.query(
      `SELECT pg_walfile_name('${this.#started}') AS first, pg_walfile_name('${lsn}') AS last`,
    );
    await control.query(fill(statements.closeLog));
    for (;;) {
      signal.throwIfAborted();
      const [row] = await control.query(`SELECT pg_current_wal_flush_lsn() >= '${lsn}'::pg_lsn AS durable`);
      if (row?.durable === 't') break;
      await sleep(20);
    }
    const first = name?.first ?? '';
    const last = name?.last ?? '';
    const names = await (await this.#parts.at.files(plan.facts.paths.log)).names('.');
    const segments = names.filter((it) => /^[0-9A-F]{24}$/.test(it) && it >= first && it <= last).sort();
    if (segments[0] !== first || segments.at(-1) !== last) {
      throw new StillpointError(
        'source-changed',
        `The log from ${first} to ${last} is not complete in ${plan.facts.paths.log}.`,
      );
    }
    return [...names.filter((it) => it.endsWith('.history')).sort(), ...segments];
  }

  /** Only after the segments were read: had the slot been lost meanwhile, they might have been recycled under us. */
  async #checkLogKept(): Promise<void> {
    const { control, statements, id: run, backup } = this.#parts;
    const [row] = await control.query(fill(statements.logStatus, { slot: slotName(run) }));
    if (row === undefined || row.status === 'lost' || backup.lost.aborted) {
      throw new StillpointError(
        'source-changed',
        'The replication slot that kept the log was gone before all of it was stored.',
      );
    }
    if ((await tablespaceState(control)) !== this.#tablespaceState) {
      throw new StillpointError(
        'source-changed',
        "A tablespace was created, changed or dropped while the copy ran: replaying that would reach for the source's own folders.",
      );
    }
  }

  /** What turns the fuzzy files into a backup: the label, byte for byte, and the control file as it was at the end of the copy. */
  #labels(): Readable {
    const label = this.#stopped?.labelfile;
    const map = this.#stopped?.spcmapfile;
    if (!label || !this.#control)
      throw new StillpointError('internal', 'The server ended backup mode without a label.');
    const tar = newTar();
    tar.entry({ name: 'backup_label', mode: 0o600 }, label);
    // Not under its own name: a server that finds tablespace_map links to the folders it names, and those are the source's.
    if (map) tar.entry({ name: 'stillpoint_tablespace_map', mode: 0o600 }, map);
    tar.entry({ name: 'global/pg_control', mode: 0o600 }, this.#control);
    tar.finalize();
    return tar as unknown as Readable;
  }
}

/** Changes with every tablespace that is created, altered or dropped, also when it is gone again: by its rows and by their counters. */
async function tablespaceState(session: Session): Promise<string> {
  const [row] = await session.query(`
    SELECT (SELECT string_agg(concat_ws(' ', oid, xmin, pg_tablespace_location(oid)), ', ' ORDER BY oid) FROM pg_tablespace) || ' after '
           || (SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_sys_tables WHERE relid = 'pg_tablespace'::regclass) AS state`);
  return row?.state ?? '';
}

const sessionEnded = (cause: unknown): StillpointError =>
  new StillpointError('source-changed', `The backup session was ended while the copy ran: ${messageOf(cause)}.`, {
    cause,
  });
