import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Evidence } from '../../model/facts.ts';
import { listeningPorts, processOf } from '../proc.ts';
import type { Inspected } from './api.ts';
import type { View } from './view.ts';

type Processes = Evidence['processes'];

/** What can be seen of a container from outside: never by a program in it, which may not be there or may lie. */
export async function evidenceOf(docker: Docker, container: Inspected, view: View | undefined): Promise<Evidence> {
  const processes = container.State.Running ? await processesOf(docker, container, view) : [];
  const ports = view ? await listeningPorts(view.pid) : [];
  return {
    processes,
    ports: ports.length > 0 ? ports : declaredPorts(container),
    markers: [],
    environment: (container.Config.Env ?? []).map((it) => it.split('=')[0] ?? ''),
    image: container.Config.Image,
  };
}

async function processesOf(docker: Docker, container: Inspected, view: View | undefined): Promise<Processes> {
  if (view) {
    const found = await Promise.all((await pidsOf(view.pid)).map(processOf));
    const seen = found.filter((it) => it !== undefined);
    if (seen.length > 0) return seen;
  }
  return topOf(docker, container.Id);
}

/** All processes of the control group that the first one is in; those that were started by exec are no children of it. */
async function pidsOf(pid: number): Promise<readonly number[]> {
  const groups = (await readFile(`/proc/${pid}/cgroup`, 'utf8')).trimEnd().split('\n');
  for (const line of groups) {
    const [, controllers = '', path = ''] = line.split(':');
    const folder = controllers === '' ? '/sys/fs/cgroup' : join('/sys/fs/cgroup', controllers.replace(/^name=/, ''));
    const text = await readFile(join(folder, path, 'cgroup.procs'), 'utf8').catch(() => '');
    const pids = text.trimEnd().split('\n').map(Number);
    if (pids.includes(pid)) return pids;
  }
  return [pid];
}

/** As the daemon tells it, where this process may not look into others. The command is all there is of the executable. */
async function topOf(docker: Docker, id: string): Promise<Processes> {
  const { Titles, Processes } = (await docker.getContainer(id).top({ ps_args: '-eo pid,args' })) as {
    Titles: string[];
    Processes: string[][];
  };
  const at = Titles.indexOf('COMMAND');
  return Processes.map((row) => {
    const argv = (row[at] ?? '').split(' ').filter((it) => it !== '');
    // A server that retitles its process writes `postgres: checkpointer`.
    return { pid: Number(row[0]), executable: (argv[0] ?? '').replace(/:$/, ''), argv };
  });
}

/** What image and command line name, where nothing better can be seen. */
const declaredPorts = (container: Inspected): readonly number[] =>
  Object.keys({ ...container.Config.ExposedPorts, ...container.NetworkSettings.Ports })
    .filter((it) => it.endsWith('/tcp'))
    .map((it) => Number.parseInt(it, 10));
