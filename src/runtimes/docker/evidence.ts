import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Evidence, SeenProcess } from '../../model/facts.ts';
import { markersIn } from '../markers.ts';
import { isHead, listeningProcessesOf, processesOf, textOf } from '../proc.ts';
import { type Inspected, statusOf } from './api.ts';
import type { Daemon } from './self.ts';
import { storedMarkers } from './stored.ts';
import type { View } from './view.ts';

export interface Look {
  readonly ports: boolean;
}

/**
 * What can be seen of a container from outside: never by a program in it, which may not be there or may lie. What it
 * listens on is looked for only where asked.
 */
export async function evidenceOf(
  daemon: Daemon,
  container: Inspected,
  view: View | undefined,
  how: Look,
): Promise<Evidence> {
  const { Running, Status } = container.State;
  const processes = Running ? await processesIn(daemon.docker, container, view, how) : [];
  const seenPorts = view ? processes.flatMap((it) => it.ports ?? []) : declaredPorts(container);
  return {
    processes,
    ports: [...new Set(seenPorts)],
    markers: Running ? await markersOf(processes, view) : await storedMarkers(daemon, container),
    environment: (container.Config.Env ?? []).map((it) => it.split('=')[0] ?? ''),
    image: container.Config.Image,
    ...(Running ? {} : { stopped: Status }),
  };
}

async function processesIn(
  docker: Docker,
  container: Inspected,
  view: View | undefined,
  { ports }: Look,
): Promise<readonly SeenProcess[]> {
  const pids = view ? pidsOf(view) : [];
  const seen = view && ports ? listeningProcessesOf(pids, view.pid) : processesOf(pids);
  return seen.length > 0 ? seen : topOf(docker, container.Id);
}

/** All processes of the control group that the first one is in: one that was started by exec is no child of it. */
function pidsOf({ pid, groups }: View): readonly number[] {
  for (const line of groups.trimEnd().split('\n')) {
    const [, controllers = '', path = ''] = line.split(':');
    const folder = controllers === '' ? '/sys/fs/cgroup' : join('/sys/fs/cgroup', controllers.replace(/^name=/, ''));
    const pids = textOf(join(folder, path, 'cgroup.procs'))
      .trimEnd()
      .split('\n')
      .map(Number);
    if (pids.includes(pid)) return pids;
  }
  return [pid];
}

/** As the daemon tells it, where this process may not look into others. The command is all there is of the executable. */
async function topOf(docker: Docker, id: string): Promise<readonly SeenProcess[]> {
  const listed = (await docker
    .getContainer(id)
    .top({ ps_args: '-eo pid,ppid,args' })
    .catch((cause: unknown) => {
      // It ended since it was listed.
      if (statusOf(cause) === 404 || statusOf(cause) === 409) return { Processes: [] };
      throw cause;
    })) as { Processes: string[][] | null };
  // Null where the last one has just ended.
  return (listed.Processes ?? []).map(([pid, parent, command = '']) => {
    const argv = command.split(' ').filter((it) => it !== '');
    return { pid: Number(pid), parent: Number(parent), executable: argv[0] ?? '', argv };
  });
}

/** In the working directories of what runs: most servers work in their data directory. */
async function markersOf(processes: readonly SeenProcess[], view: View | undefined): Promise<Evidence['markers']> {
  if (!view) return [];
  const heads = processes.filter((it) => isHead(it, processes));
  const folders = new Set(heads.flatMap((it) => (it.folder === undefined || it.folder === '/' ? [] : it.folder)));
  return (await Promise.all([...folders].map(async (it) => markersIn(await view.here(it), it)))).flat();
}

/** What image and command line name, where nothing better can be seen. */
const declaredPorts = (container: Inspected): readonly number[] =>
  Object.keys({ ...container.Config.ExposedPorts, ...container.NetworkSettings.Ports })
    .filter((it) => it.endsWith('/tcp'))
    .map((it) => Number.parseInt(it, 10));
