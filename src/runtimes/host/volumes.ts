import { readFile, realpath, stat, statfs } from 'node:fs/promises';
import type { Volume } from '../../model/storage.ts';

/** Where paths of this machine really lie, links followed, by /proc/self/mountinfo (proc(5)). */
export async function volumesOf(paths: readonly string[]): Promise<readonly Volume[]> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n').map(parseMount);
  return Promise.all(
    paths.map(async (path) => {
      const hostPath = await realpath(path);
      const { bavail, bsize } = await statfs(hostPath);
      // The last mount that contains the path is the one on top.
      const mount = mounts
        .filter((it) => contains(it.point, hostPath))
        .reduce((best, it) => (it.point.length >= best.point.length ? it : best));
      const { dev } = await stat(hostPath);
      return {
        path,
        hostPath,
        fileSystem: mount.type,
        id: `${mount.source} ${dev}`,
        kind: mount.type === 'tmpfs' ? 'tmpfs' : 'host',
        freeBytes: bavail * bsize,
      };
    }),
  );
}

const contains = (point: string, path: string): boolean =>
  point === '/' || path === point || path.startsWith(`${point}/`);

function parseMount(line: string): { point: string; type: string; source: string } {
  const [before = '', after = ''] = line.split(' - ');
  const [type = '', source = ''] = after.split(' ');
  const point = (before.split(' ')[4] ?? '/').replaceAll(/\\(\d{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return { point, type, source };
}
