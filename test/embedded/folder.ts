import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** What temporary folders of tests and of the demo begin with. */
export const PREFIX = 'stillpoint-embedded-';

/** A temporary folder that does not outlive its process, nor do the programs that were started from it. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** Leaves it behind: it and its programs survive this process. */
  keep(): Promise<void>;
}

/** /var/tmp is a disk on every Debian and open to every user; /tmp may be memory, and $TMPDIR may be private to root. */
export async function makeFolder(parent = '/var/tmp'): Promise<Folder> {
  const path = join(parent, `${PREFIX}${randomBytes(4).toString('hex')}`);
  // Started and proven alive before there is anything to keep; in its own session, so that Ctrl-C does not reach it.
  const keeper = spawn(process.execPath, [fileURLToPath(new URL('keeper.ts', import.meta.url)), path], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {},
    cwd: '/',
  });
  const errors = text(keeper.stderr);
  const exited = once(keeper, 'exit') as Promise<[number | null]>;
  const ready = await Promise.race([once(keeper.stdout, 'data'), exited.then(() => undefined)]);
  if (ready === undefined) throw new Error(`the keeper of ${path} did not start: ${await errors}`);
  await mkdir(path, { mode: 0o755 });
  for (const handle of [keeper, keeper.stdin, keeper.stdout, keeper.stderr]) {
    // A test that forgets to dispose must be able to end: that is when the keeper begins.
    if ('unref' in handle && typeof handle.unref === 'function') handle.unref();
  }
  const tell = async (word: '' | 'keep') => {
    keeper.ref();
    keeper.stdin.end(word);
    const [code] = await exited;
    if (code !== 0) throw new Error(`the keeper of ${path} failed: ${await errors}`);
  };
  let told: Promise<void> | undefined;
  return {
    path,
    keep: () => (told ??= tell('keep')),
    [Symbol.asyncDispose]: () => (told ??= tell('')),
  };
}
