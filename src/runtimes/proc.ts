import { readdir, readFile, readlink } from 'node:fs/promises';

/** Reads /proc. A process that ended or belongs to somebody else yields nothing: both are ordinary. */
const text = async (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

export async function processOf(
  pid: number,
): Promise<{ pid: number; executable: string; argv: readonly string[] } | undefined> {
  const executable = await readlink(`/proc/${pid}/exe`).catch(() => undefined);
  const argv = await text(`/proc/${pid}/cmdline`);
  if (executable === undefined || argv === undefined) return undefined;
  return { pid, executable: executable.replace(/ \(deleted\)$/, ''), argv: argv.split('\0').filter((it) => it !== '') };
}

/** The listening TCP sockets of the network namespace that the process is in: port and inode, see proc(5). */
async function listening(pid: number | 'self'): Promise<readonly { readonly port: number; readonly inode: string }[]> {
  const found: { port: number; inode: string }[] = [];
  for (const table of ['tcp', 'tcp6']) {
    for (const line of ((await text(`/proc/${pid}/net/${table}`)) ?? '').split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state === '0A') found.push({ port: Number.parseInt(local.split(':')[1] ?? '', 16), inode });
    }
  }
  return found;
}

export const listeningPorts = async (pid: number): Promise<readonly number[]> =>
  [...new Set((await listening(pid)).map((it) => it.port))].sort((a, b) => a - b);

/** The listening stream sockets with a path, in that network namespace; the path is as its server wrote it. */
export async function listeningSockets(pid: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (const line of ((await text(`/proc/${pid}/net/unix`)) ?? '').split('\n').slice(1)) {
    // flags (00010000: it accepts connections) and type (0001: stream)
    const [, , , flags, type, , , ...path] = line
      .trim()
      .split(' ')
      .filter((it) => it !== '');
    if (flags === '00010000' && type === '0001' && path[0]?.startsWith('/')) found.push(path.join(' '));
  }
  return [...new Set(found)];
}

/** Processes that listen on a TCP port of this network namespace, as far as we may see them. */
export async function listeners(port: number): Promise<readonly number[]> {
  const inodes = new Set(
    (await listening('self')).filter((it) => it.port === port).map((it) => `socket:[${it.inode}]`),
  );
  if (inodes.size === 0) return [];
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const descriptors = await readdir(`/proc/${entry}/fd`).catch(() => []);
    for (const fd of descriptors) {
      const target = await readlink(`/proc/${entry}/fd/${fd}`).catch(() => undefined);
      if (target !== undefined && inodes.has(target)) {
        found.push(Number(entry));
        break;
      }
    }
  }
  return found.sort((a, b) => a - b);
}

/** State letter and start time in ticks since boot: fields 3 and 22 of proc(5) stat, counted after the name's bracket. */
export async function processStat(pid: number): Promise<{ state: string; start: string } | undefined> {
  const stat = await text(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', start: fields[19] ?? '' };
}
