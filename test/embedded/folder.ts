import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { endFolder } from './end.ts';

const KEEPER = fileURLToPath(new URL('keeper.ts', import.meta.url));
const PREFIX = 'stillpoint-embedded-';
/** A disk on every Debian and open to every user; /tmp may be memory, and $TMPDIR may be private to root. */
const PARENT = '/var/tmp';

/** A temporary folder that does not outlive its process, nor do the programs that were started from it. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** Leaves it behind: it and its programs survive this process. */
  keep(): Promise<void>;
}

export async function makeFolder(parent = PARENT): Promise<Folder> {
  const path = join(parent, `${PREFIX}${randomBytes(4).toString('hex')}`);
  // Started and proven alive before there is anything to keep; in its own session, so that Ctrl-C does not reach it.
  const keeper = spawn(process.execPath, [KEEPER, path], {
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

/**
 * Ends our folders that have no keeper: those that were kept, and those of a machine that was switched off. All of them, or
 * only those that are named. Returns their paths.
 */
export async function endAbandoned(only: readonly string[] = []): Promise<string[]> {
  const kept = new Set<string>();
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // A process may end at any moment.
    const [, program, folder] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (folder !== undefined && program?.endsWith('/embedded/keeper.ts')) kept.add(folder);
  }
  const ended: string[] = [];
  for (const name of await readdir(PARENT)) {
    const path = join(PARENT, name);
    if (!name.startsWith(PREFIX) || kept.has(path) || (only.length > 0 && !only.includes(path))) continue;
    if ((await stat(path)).uid !== process.getuid?.()) continue;
    await endFolder(path);
    ended.push(path);
  }
  return ended;
}
