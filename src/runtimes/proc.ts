import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { SeenProcess } from '../model/facts.ts';

/**
 * Reads /proc, which is memory: waiting for a thread would take longer than the reading, and detection reads a thousand
 * such files. A process that ended or belongs to somebody else yields nothing: both are ordinary.
 */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** All processes of this machine that are in our pid namespace: those of containers that have their own are not. */
export function ownPids(): readonly number[] {
  const ours = link('/proc/self/ns/pid');
  const pids = readdirSync('/proc').filter((it) => /^\d+$/.test(it));
  return pids.filter((pid) => link(`/proc/${pid}/ns/pid`) === ours).map(Number);
}

/** What these processes are. */
export const processesOf = (pids: readonly number[]): readonly SeenProcess[] =>
  pids.map(processOf).filter((it) => it !== undefined);

/**
 * What these processes are, and what the first of each family listens on in the network namespace of the process
 * `network`, which must outlive the looking: any other may be a session that is just ending. The kernel walks the tables
 * of all namespaces to print those of one, which takes milliseconds: not for every container of a machine.
 */
export function listeningProcessesOf(pids: readonly number[], network: number | 'self'): readonly SeenProcess[] {
  const seen = processesOf(pids);
  const heads = seen.filter((it) => isHead(it, seen)).map(({ pid }) => ({ pid, inodes: socketsOf(pid) }));
  if (!heads.some((it) => it.inodes && it.inodes.length > 0)) return seen;
  const listening = listeningIn(network);
  return seen.map((process) => {
    const inodes = heads.find((it) => it.pid === process.pid)?.inodes;
    return inodes ? { ...process, ...heldBy(inodes, listening) } : process;
  });
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

function processOf(pid: number): SeenProcess | undefined {
  const executable = link(`/proc/${pid}/exe`);
  if (executable === undefined) return undefined;
  const folder = link(`/proc/${pid}/cwd`);
  const stat = textOf(`/proc/${pid}/stat`);
  // The parent is field 4 of proc(5) stat; the name before it, in brackets, may contain anything.
  const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  return {
    pid,
    executable: executable.replace(/ \(deleted\)$/, ''),
    argv: textOf(`/proc/${pid}/cmdline`)
      .split('\0')
      .filter((it) => it !== ''),
    parent,
    ...(folder === undefined ? {} : { folder }),
  };
}

type Listening = ReadonlyMap<string, { readonly port: number } | { readonly socket: string }>;

/** What is listened on in the network namespace of that process, by inode; see proc(5). */
function listeningIn(pid: number | 'self'): Listening {
  const [tcp, tcp6, unix] = ['tcp', 'tcp6', 'unix'].map((it) => textOf(`/proc/${pid}/net/${it}`));
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

/** The sockets that a process holds; undefined when we may not see them. */
function socketsOf(pid: number): readonly string[] | undefined {
  try {
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`) ?? '');
    return targets.flatMap((it) => /^socket:\[(\d+)\]$/.exec(it)?.[1] ?? []);
  } catch {
    return undefined;
  }
}

function heldBy(inodes: readonly string[], listening: Listening): Pick<SeenProcess, 'ports' | 'sockets'> {
  const held = inodes.flatMap((it) => listening.get(it) ?? []);
  const ports = held.flatMap((it) => ('port' in it ? it.port : []));
  const sockets = held.flatMap((it) => ('socket' in it ? it.socket : []));
  return { ports: [...new Set(ports)].sort((a, b) => a - b), sockets: [...new Set(sockets)] };
}
