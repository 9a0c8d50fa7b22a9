import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import type { SeenProcess } from '../model/facts.ts';

/** Reads /proc. A process that ended or belongs to somebody else yields nothing: both are ordinary. */
const text = async (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const link = async (path: string): Promise<string | undefined> => readlink(path).catch(() => undefined);

/** All processes of this machine that are in our pid namespace: those of containers that have their own are not. */
export async function ownPids(): Promise<readonly number[]> {
  const ours = await link('/proc/self/ns/pid');
  const pids = (await readdir('/proc')).filter((it) => /^\d+$/.test(it)).map(Number);
  const spaces = await Promise.all(pids.map((pid) => link(`/proc/${pid}/ns/pid`)));
  return pids.filter((_, at) => spaces[at] === ours);
}

/** What these processes of one network namespace are, and what the first of each family listens on. */
export async function processesOf(pids: readonly number[]): Promise<readonly SeenProcess[]> {
  const [first] = pids;
  if (first === undefined) return [];
  const seen = (await Promise.all(pids.map(processOf))).filter((it) => it !== undefined);
  const listening = await listeningIn(first);
  if (listening.size === 0) return seen;
  return Promise.all(
    seen.map(async (process) =>
      isHead(process, seen) ? { ...process, ...(await heldBy(process.pid, listening)) } : process,
    ),
  );
}

/**
 * Servers fork: the first of its family is the one whose parent runs another program, or works elsewhere: a second server
 * that was left to process 1 may have the first one as its parent.
 */
export const isHead = (process: SeenProcess, all: readonly SeenProcess[]): boolean => {
  const parent = all.find((it) => it.pid === process.parent);
  return parent === undefined || programOf(parent) !== programOf(process) || parent.folder !== process.folder;
};

/** `postgres`, also for a process that retitled itself to `postgres: checkpointer`. */
export const programOf = ({ executable }: SeenProcess): string => basename(executable).replace(/:.*$/, '');

async function processOf(pid: number): Promise<SeenProcess | undefined> {
  const [executable, argv, stat, folder] = await Promise.all([
    link(`/proc/${pid}/exe`),
    text(`/proc/${pid}/cmdline`),
    text(`/proc/${pid}/stat`),
    link(`/proc/${pid}/cwd`),
  ]);
  if (executable === undefined) return undefined;
  // The parent is field 4 of proc(5) stat; the name before it, in brackets, may contain anything.
  const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  return {
    pid,
    executable: executable.replace(/ \(deleted\)$/, ''),
    argv: argv.split('\0').filter((it) => it !== ''),
    parent,
    ...(folder === undefined ? {} : { folder }),
  };
}

type Listening = ReadonlyMap<string, { readonly port: number } | { readonly socket: string }>;

/** What is listened on in the network namespace of that process, by inode; see proc(5). */
async function listeningIn(pid: number): Promise<Listening> {
  const [tcp, tcp6, unix] = await Promise.all(['tcp', 'tcp6', 'unix'].map((it) => text(`/proc/${pid}/net/${it}`)));
  const found = new Map<string, { port: number } | { socket: string }>();
  for (const line of `${tcp}${tcp6}`.split('\n')) {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    if (state === '0A') found.set(inode, { port: Number.parseInt(local.split(':')[1] ?? '', 16) });
  }
  for (const line of (unix ?? '').split('\n')) {
    // flags (00010000: it accepts connections) and type (0001: stream); the path is as its server wrote it
    const [, , , flags, type, , inode = '', ...path] = line.trim().split(/ +/);
    if (flags === '00010000' && type === '0001' && path[0]?.startsWith('/'))
      found.set(inode, { socket: path.join(' ') });
  }
  return found;
}

async function heldBy(pid: number, listening: Listening): Promise<Pick<SeenProcess, 'ports' | 'sockets'>> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => undefined);
  if (!descriptors) return {};
  const targets = await Promise.all(descriptors.map((fd) => link(`/proc/${pid}/fd/${fd}`)));
  const held = targets.flatMap((it) => listening.get(/^socket:\[(\d+)\]$/.exec(it ?? '')?.[1] ?? '') ?? []);
  const ports = held.flatMap((it) => ('port' in it ? it.port : []));
  const sockets = held.flatMap((it) => ('socket' in it ? it.socket : []));
  return { ports: [...new Set(ports)].sort((a, b) => a - b), sockets: [...new Set(sockets)] };
}
