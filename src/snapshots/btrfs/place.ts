import { mkdir, readdir, rename, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isId, type RunId } from '../../model/id.ts';
import { mountsOf } from '../../runtimes/mounts.ts';
import { runProgram, type WaitingProgram } from '../program.ts';
import { snapshotArgv, waitToSnapshot } from './waiting.ts';

/**
 * Where snapshots lie: `.stillpoint/RUN-N` in the folder that the file system is mounted at, so that `recover` finds them
 * by the mounts alone. Only root may enter it: a snapshot must open no way around the folders above the data.
 */
const FOLDER = '.stillpoint';
/** A file system that is busy may take this long to commit; a hold has ended by then. */
const LIMIT = 60_000;

/** `/srv/.stillpoint/7f3k9q2m-1`, and `…/kept-7f3k9q2m-1` once it is kept. */
export const placeFor = (mount: string, run: RunId, number: number): string => join(mount, FOLDER, `${run}-${number}`);
export const keptPlace = (path: string): string => join(dirname(path), `kept-${basename(path)}`);

/** Whether a path inside a file system is one of ours. */
export const isOurs = (inside: string): boolean => basename(dirname(inside)) === FOLDER;

/** Makes snapshots of one subvolume; disposing of it removes none. */
export interface Maker extends AsyncDisposable {
  make(path: string): Promise<void>;
}

/** Of the subvolume with this top, on the file system that is mounted there. Its first snapshot needs no program to be started. */
export async function makerOf(top: string, mount: string): Promise<Maker> {
  const folder = join(mount, FOLDER);
  const open = (): Promise<unknown> => mkdir(folder, { recursive: true, mode: 0o700 });
  await open();
  let waiting: WaitingProgram | undefined = await waitToSnapshot(top, folder);
  const run = async (path: string): Promise<void> => {
    const ready = waiting;
    waiting = undefined;
    await (ready ? ready.run(path, LIMIT) : runProgram([...snapshotArgv(top), path], LIMIT));
  };
  return {
    async make(path) {
      for (let tries = 1; ; tries++) {
        try {
          return await run(path);
        } catch (cause) {
          if (await exists(path)) await remove(path);
          // What waited may not be up to it; and another run may have removed the folder when it had emptied it.
          if (tries === 3 || (tries === 2 && (await exists(folder)))) throw cause;
          await open();
        }
      }
    },
    async [Symbol.asyncDispose]() {
      waiting?.[Symbol.dispose]();
      await removeEmpty(folder);
    },
  };
}

/** Idempotent. */
export async function remove(path: string): Promise<void> {
  if (await exists(path)) await runProgram(['btrfs', 'subvolume', 'delete', path], LIMIT);
  await removeEmpty(dirname(path));
}

async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOTEMPTY' && cause.code !== 'ENOENT') throw cause;
  });
}

export const keep = (path: string): Promise<void> => rename(path, keptPlace(path));

/** Every snapshot on this machine that was not kept. */
export async function* found(): AsyncGenerator<{ readonly run: RunId; readonly path: string }> {
  const seen = new Set<string>();
  for (const { type, point, source, root } of await mountsOf('self')) {
    if (type !== 'btrfs' || seen.has(`${source} ${root}`)) continue;
    seen.add(`${source} ${root}`);
    // Not for this user to see: then nothing of this user's is in it.
    for (const name of await readdir(join(point, FOLDER)).catch((): string[] => [])) {
      const [, run = ''] = /^(\w{8})-\d+$/.exec(name) ?? [];
      if (isId(run)) yield { run, path: join(point, FOLDER, name) };
    }
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
