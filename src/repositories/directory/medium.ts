import { existsSync } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * What a folder lies on, as `judge321` compares it: `disk sda` for any partition of it, the server and export of a network
 * file system, the source of another. A folder that is not there yet counts by the first one above it that is.
 */
export async function mediumOf(folder: string): Promise<string> {
  const path = await existing(folder);
  const { dev } = await stat(path);
  return (await diskOf(dev)) ?? (await sourceOf(path));
}

const existing = async (folder: string): Promise<string> =>
  existsSync(folder) ? realpath(folder) : existing(dirname(folder));

/** The disks behind a block device; undefined for a device number that is none, as Btrfs, NFS and overlays have. */
async function diskOf(dev: number): Promise<string | undefined> {
  const device = `/sys/dev/block/${major(dev)}:${minor(dev)}`;
  if (major(dev) === 0 || !existsSync(device)) return undefined;
  return `disk ${(await disksUnder(await realpath(device))).sort().join('+')}`;
}

/** Through logical volumes, RAID and encryption (`slaves`) and from a partition to its disk. */
async function disksUnder(device: string): Promise<string[]> {
  const whole = existsSync(join(device, 'partition')) ? dirname(device) : device;
  const slaves = existsSync(join(whole, 'slaves')) ? await readdir(join(whole, 'slaves')) : [];
  if (slaves.length === 0) return [basename(whole)];
  const under = await Promise.all(slaves.map(async (name) => disksUnder(await realpath(join(whole, 'slaves', name)))));
  return [...new Set(under.flat())];
}

/** glibc's gnu_dev_major and gnu_dev_minor. */
const major = (dev: number): number => Number((BigInt(dev) >> 8n) & 0xfffn);
const minor = (dev: number): number => Number((BigInt(dev) & 0xffn) | ((BigInt(dev) >> 12n) & 0xfff00n));

/** The mount's source, from proc(5) mountinfo: the longest mount point that the path is in. */
async function sourceOf(path: string): Promise<string> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).trim().split('\n').map(readMount);
  const own = mounts.filter(({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`));
  const { source = path } = own.reduce((a, b) => (b.point.length >= a.point.length ? b : a), {
    point: '',
    source: path,
  });
  const disk = source.startsWith('/dev/') && existsSync(source) ? await diskOf((await stat(source)).rdev) : undefined;
  return disk ?? source;
}

function readMount(line: string): { point: string; source: string } {
  const [left = '', right = ''] = line.split(' - ');
  // Blanks in it are written as octal.
  const unescaped = (text = '') =>
    text.replaceAll(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
  return { point: unescaped(left.split(' ')[4]), source: unescaped(right.split(' ')[1]) };
}
