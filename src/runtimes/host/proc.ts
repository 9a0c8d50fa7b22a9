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

/** Processes that listen on a TCP port of this network namespace, as far as we may see them. */
export async function listeners(port: number): Promise<readonly number[]> {
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of ((await text(table)) ?? '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      // local address, state (0A: LISTEN) and inode, see proc(5)
      if (fields[3] === '0A' && Number.parseInt(fields[1]?.split(':')[1] ?? '', 16) === port && fields[9])
        inodes.add(`socket:[${fields[9]}]`);
    }
  }
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
