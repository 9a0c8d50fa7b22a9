import type { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { Pack } from 'tar-stream';
import { StillpointError } from '../../model/errors.ts';
import type { FileSelection, Files } from '../files.ts';
import { type Mount, parseMounts } from '../mounts.ts';
import { newTar } from '../pack.ts';
import type { Process } from '../runtime.ts';
import { execIn, type Place } from './exec.ts';
import { Faults } from './faults.ts';
import { appendEntries } from './retar.ts';

/** Looking at one thing. */
const LOOK_LIMIT = 30_000;
/** A stream lasts as long as its reader takes. */
const STREAM_LIMIT = 2 ** 31 - 1;
/** Names that one tar gets: enough that starting it does not count, few enough for its command line. */
const MOST_NAMES = 500;
const MOST_BYTES = 60_000;

/**
 * A container's files by programs in it, for who may not look into it from outside: `find`, and whichever `tar` there is,
 * as the user who owns them. Each is one process without children: in a container whose process 1 is PostgreSQL, a
 * killed orphan would count as a crashed session.
 */
export class Inside {
  readonly #place: Place;
  constructor(place: Place) {
    this.#place = place;
  }

  /** The path with its links followed. */
  async real(path: string): Promise<string> {
    return (await this.#output(['readlink', '-f', path])).replace(/\n$/, '');
  }

  async mounts(): Promise<readonly Mount[]> {
    return parseMounts(await this.#output(['cat', '/proc/self/mountinfo']));
  }

  async freeBytes(paths: readonly string[]): Promise<readonly number[]> {
    const lines = (await this.#output(['stat', '-f', '-c', '%a %S', ...paths])).trimEnd().split('\n');
    return lines.map((it) => it.split(' ').reduce((product, number) => product * Number(number), 1));
  }

  async owner(path: string): Promise<{ readonly uid: number; readonly gid: number }> {
    const [uid = 0, gid = 0] = (await this.#output(['stat', '-L', '-c', '%u %g', path])).split(' ').map(Number);
    return { uid, gid };
  }

  /** Throws `not-found` when there is no such folder. */
  async files(path: string): Promise<Files> {
    const root = await this.real(path);
    const { uid, gid } = await this.owner(root);
    const user = `${uid}:${gid}`;
    return {
      tar: (select = {}) => this.#tar(root, select, user),
      read: (file) => this.#bytes(['cat', `${root}/${file}`], user),
      names: async (file) => (await this.#list(`${root}/${file}`, user, '-maxdepth', '1')).toSorted(),
      link: async (file) => {
        const { code, output } = await this.#look(['readlink', `${root}/${file}`], user);
        return code === 0 ? output.toString('utf8').replace(/\n$/, '') : undefined;
      },
    };
  }

  async #output(argv: readonly string[], user?: string): Promise<string> {
    return (await this.#bytes(argv, user)).toString('utf8');
  }

  async #bytes(argv: readonly string[], user?: string): Promise<Buffer> {
    const { code, output, stderr } = await this.#look(argv, user);
    if (code === 0) return output;
    const why = stderr.trim() || `status ${code}`;
    throw new StillpointError('not-found', `${argv.join(' ')} failed in ${this.#place.name}: ${why}`);
  }

  /** A look ends by itself: it needs no guard, and so no shell. */
  async #look(
    argv: readonly string[],
    user?: string,
  ): Promise<{ readonly code: number; readonly output: Buffer; readonly stderr: string }> {
    const how = { env: { LC_ALL: 'C' }, limit: LOOK_LIMIT, ...(user === undefined ? {} : { user }) };
    await using process = await execIn({ ...this.#place, shell: false }, argv, how);
    const output = await buffer(process.stdout);
    return { ...(await process.exit), output };
  }

  #tar(root: string, select: FileSelection, user: string): Readable {
    const to = newTar({ highWaterMark: 4 << 20 });
    const work = async (): Promise<void> => {
      const names = select.only ?? without(await this.#list(root, user), select.skip);
      const sent = new Set<string>();
      for (const batch of batches(names)) await this.#batch(to, root, batch, user, sent);
      const gone = select.only?.find((it) => !sent.has(it));
      if (gone !== undefined) throw new StillpointError('source-changed', `The file ${root}/${gone} is gone.`);
      to.finalize();
    };
    work().catch((cause: unknown) => to.destroy(cause instanceof Error ? cause : new Error(String(cause))));
    return to as unknown as Readable;
  }

  /** Everything but sockets and devices, which are no data; folders before what is in them. */
  async #list(root: string, user: string, ...more: readonly string[]): Promise<readonly string[]> {
    const kinds = ['(', '-type', 'f', '-o', '-type', 'd', '-o', '-type', 'l', ')'];
    const faults = new Faults();
    await using process = await this.#start(
      ['find', `${root}/.`, '-mindepth', '1', ...more, ...kinds, '-print0'],
      user,
      faults,
    );
    const listed = (await text(process.stdout)).split('\0').filter((it) => it !== '');
    await this.#mustBeWhole('find', process, faults);
    return listed.map((it) => it.slice(root.length + '/./'.length));
  }

  /** The tar of some names, into the one we make. Where busybox's gave up at a file that shrank, the next goes on behind it. */
  async #batch(to: Pack, root: string, names: readonly string[], user: string, sent: Set<string>): Promise<void> {
    for (let left = names; left.length > 0; ) {
      const faults = new Faults();
      const argv = ['tar', '-c', '-f', '-', '-C', root, '--no-recursion', ...left.map((it) => `./${it}`)];
      await using process = await this.#start(argv, user, faults);
      const { last, whole } = await appendEntries(process.stdout, to, (name) => sent.add(name));
      await process.exit;
      if (!whole && faults.shrank && last !== undefined) left = left.slice(left.indexOf(last) + 1);
      else left = [];
      if (!whole && !faults.shrank)
        throw new StillpointError('backup-failed', `tar in ${this.#place.name} ended before it was done.`);
      await this.#mustBeWhole('tar', process, faults);
    }
  }

  #start(argv: readonly string[], user: string, faults: Faults): Promise<Process> {
    return execIn(this.#place, argv, { env: { LC_ALL: 'C' }, user, limit: STREAM_LIMIT }, faults.hear);
  }

  /** 1: something changed. 2: something vanished, or a fault, which is then named. */
  async #mustBeWhole(program: string, process: Process, faults: Faults): Promise<void> {
    const { code } = await process.exit;
    const why = faults.all.length > 0 ? faults.all.slice(0, 3).join(' | ') : code > 2 ? `status ${code}` : undefined;
    if (why !== undefined)
      throw new StillpointError('backup-failed', `${program} failed in ${this.#place.name}: ${why}.`);
  }
}

const without = (paths: readonly string[], skip: FileSelection['skip']): readonly string[] => {
  if (!skip) return paths;
  const skipped = (path: string): boolean => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    return skip(path) || (parent !== '' && (skip(`${parent}/`) || skipped(parent)));
  };
  return paths.filter((it) => !skipped(it));
};

function* batches(names: readonly string[]): Generator<readonly string[]> {
  let batch: string[] = [];
  let length = 0;
  for (const name of names) {
    if (batch.length === MOST_NAMES || length > MOST_BYTES) {
      yield batch;
      batch = [];
      length = 0;
    }
    batch.push(name);
    length += name.length;
  }
  if (batch.length > 0) yield batch;
}
