import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { access, chown, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Definition } from '../../model/manifest.ts';
import { connectTo } from '../connect.ts';
import { extractTar, fileIn, type Owner } from '../extract.ts';
import { volumesOf } from '../mounts.ts';
import type { Twin } from '../runtime.ts';
import { treeOf } from '../tree.ts';
import { execOnHost } from './exec.ts';

const STOP_LIMIT = 20_000;

/** Folders of one run start with this, so that `recover` knows them. */
export const twinPrefix = (run: RunId): string => `stillpoint-${run}-`;

/** An empty folder and the source's own programs, run as the source's own user; nothing listens on the network. */
export async function hostTwin(definition: Definition, run: RunId, parent: string): Promise<Twin> {
  const programs = await findPrograms(definition);
  const owner = ownerFor(definition);
  await mkdir(parent, { recursive: true });
  if (owner) await checkPassable(parent, owner);
  const base = await mkdtemp(join(parent, twinPrefix(run)));
  const root = join(base, 'data');
  const scratch = join(base, 'run');
  for (const path of [root, scratch]) await mkdir(path, { mode: 0o700 });
  for (const path of owner ? [base, root, scratch] : []) await chown(path, owner?.uid ?? 0, owner?.gid ?? 0);
  const logFile = join(base, 'server.log');
  const ended = Promise.withResolvers<number>();
  let stop = async (): Promise<void> => undefined;
  const ref = { kind: 'url', scheme: 'postgres', host: scratch, port: 5432 } as const;
  return {
    ref,
    runtime: 'host',
    evidence: { processes: [], ports: [], markers: [], environment: [] },
    endpoints: [{ socket: join(scratch, '.s.PGSQL.5432') }],
    root,
    scratch,
    runs: programs,
    ended: ended.promise,
    definition: async () => definition,
    volumes: volumesOf,
    dial: (to) => connectTo('socket' in to ? { path: to.socket } : { host: '127.0.0.1', port: to.port }, ref),
    exec: ([program = '', ...rest], how) => execOnHost([join(programs, program), ...rest], how, owner),
    files: async (path) => treeOf(path),
    write: (tar, folder = '') => extractTar(tar, join(root, folder), owner),
    read: (path) => fileIn(root, path),
    log: async () => readFile(logFile, 'utf8').catch(() => ''),
    async start([program = '', ...rest]) {
      const out = openSync(logFile, 'a', 0o600);
      const child = spawn(join(programs, program), rest, {
        cwd: root,
        env: { PATH: programs, LC_ALL: 'C' },
        stdio: ['ignore', out, out],
        ...owner,
      });
      closeSync(out);
      await once(child, 'spawn');
      child.once('exit', (code) => ended.resolve(code ?? -1));
      stop = async () => {
        child.kill('SIGQUIT');
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
        await ended.promise;
        clearTimeout(timer);
      };
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(base, { recursive: true, force: true });
    },
  };
}

/** The server's user must get through every folder on the way; found out now, not after hours of unpacking. */
async function checkPassable(folder: string, { uid, gid }: Owner): Promise<void> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const { uid: owner, gid: group, mode } = await stat(at);
    const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) {
      throw new StillpointError(
        'preflight',
        `The restored server runs as user ${uid}, as its source did, and that user cannot pass through ${at}.`,
        {
          meaning: 'Nothing was restored. The backup was not touched.',
          next: `chmod o+x ${at}   # or name another folder with STILLPOINT_SCRATCH`,
        },
      );
    }
    if (at === dirname(at)) return;
  }
}

/** Only root can become another user; anybody else runs the twin as they are. */
function ownerFor(definition: Definition): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const uid = Number(definition.uid);
  const gid = Number(definition.gid);
  if (!Number.isInteger(uid) || uid === 0)
    throw new StillpointError(
      'restore-failed',
      'The backup does not say which user its server ran as, and a server must not run as root.',
    );
  return { uid, gid };
}

async function findPrograms(definition: Definition): Promise<string> {
  const recorded = definition.programs;
  if (typeof recorded === 'string' && (await stat(recorded).catch(() => undefined))?.isDirectory()) {
    await access(recorded);
    return recorded;
  }
  throw new StillpointError(
    'restore-failed',
    `The server's own programs are not in ${String(recorded)} any more, where they were at the time of the backup.`,
    {
      next: 'Install the same major version there, or restore by hand: stillpoint show ID --commands',
    },
  );
}
