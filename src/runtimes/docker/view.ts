import { accessSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { textOf } from '../proc.ts';
import type { Inspected } from './api.ts';

const MOST_LINKS = 40;

/**
 * A container's files as its own processes see them, by /proc/PID/root. Links in it must never be followed by the
 * kernel: an absolute one would lead into this process's own files.
 */
export interface View {
  readonly pid: number;
  /** `/proc/4711/root` */
  readonly root: string;
  /** The control groups that it is in; see cgroups(7) on /proc/PID/cgroup. */
  readonly groups: string;
  /** The path with its links followed inside the container. What does not exist is taken as it is. */
  real(path: string): Promise<string>;
  /** The same as a path of this process, links followed. */
  here(path: string): Promise<string>;
}

/** Undefined when the container does not run, runs on another machine, or this process may not look into others. */
export function viewOf(container: Inspected): View | undefined {
  const pid = container.State.Pid;
  if (!container.State.Running || pid === 0) return undefined;
  const groups = textOf(`/proc/${pid}/cgroup`);
  if (!isNamed(groups, container.Id, pid)) return undefined;
  const root = `/proc/${pid}/root`;
  if (!mayEnter(`${root}/`)) return undefined;
  const real = (path: string): Promise<string> => realIn(root, path);
  return { pid, root, groups, real, here: async (path) => join(root, await real(path)) };
}

function mayEnter(folder: string): boolean {
  try {
    accessSync(folder);
    return true;
  } catch {
    return false;
  }
}

/** The number of a process means something only on the machine, and in the pid namespace, of the daemon. */
const isNamed = (groups: string, id: string, pid: number): boolean =>
  groups.includes(id) || textOf(`/proc/${pid}/mountinfo`).includes(id);

async function realIn(root: string, path: string): Promise<string> {
  let links = 0;
  let done = '/';
  let todo = path.split('/').filter((it) => it !== '' && it !== '.');
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    if (name === '..') {
      done = dirname(done);
      continue;
    }
    const next = join(done, name);
    const target = links < MOST_LINKS ? await readlink(join(root, next)).catch(() => undefined) : undefined;
    if (target === undefined) {
      done = next;
      continue;
    }
    links++;
    todo = [
      ...resolve(done, target)
        .split('/')
        .filter((it) => it !== ''),
      ...todo,
    ];
    done = '/';
  }
  return done;
}
