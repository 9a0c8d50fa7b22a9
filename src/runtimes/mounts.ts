import { readFile, realpath, stat, statfs } from 'node:fs/promises';
import type { Volume } from '../model/storage.ts';

/** One line of mountinfo (proc(5)). */
export interface Mount {
  /** Where it is seen. */
  readonly point: string;
  /** Which folder of its file system that is: a volume's folder, a subvolume. */
  readonly root: string;
  readonly type: string;
  readonly source: string;
}

/** What is mounted where, as the process sees it. */
export async function mountsOf(pid: number | 'self'): Promise<readonly Mount[]> {
  return parseMounts(await readFile(`/proc/${pid}/mountinfo`, 'utf8'));
}

export const parseMounts = (text: string): readonly Mount[] => text.trimEnd().split('\n').map(parseMount);

/** The mount that holds the path: of those that contain it, the last with the longest point lies on top. */
export const mountOf = (mounts: readonly Mount[], path: string): Mount =>
  mounts
    .filter((it) => contains(it.point, path))
    .reduce((best, it) => (it.point.length >= best.point.length ? it : best), NOTHING);

const NOTHING: Mount = { point: '', root: '/', type: '?', source: '?' };

/** Where paths of this machine really lie, links followed. */
export async function volumesOf(paths: readonly string[]): Promise<readonly Volume[]> {
  const mounts = await mountsOf('self');
  return Promise.all(
    paths.map(async (path) => {
      const hostPath = await realpath(path);
      const { bavail, bsize } = await statfs(hostPath);
      const mount = mountOf(mounts, hostPath);
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

export const contains = (point: string, path: string): boolean =>
  point === '/' || path === point || path.startsWith(`${point}/`);

function parseMount(line: string): Mount {
  const [before = '', after = ''] = line.split(' - ');
  const [type = '', source = ''] = after.split(' ');
  const [, , , root = '/', point = '/'] = before.split(' ');
  return { point: unescaped(point), root: unescaped(root), type, source };
}

const unescaped = (text: string): string =>
  text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
