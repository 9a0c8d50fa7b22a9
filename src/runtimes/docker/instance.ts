import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type Docker from 'dockerode';
import { StillpointError } from '../../model/errors.ts';
import { formatRef, type Ref } from '../../model/ref.ts';
import type { Instance } from '../runtime.ts';
import type { Inspected } from './api.ts';
import { entryOf, exists } from './archive.ts';
import { definitionOf } from './definition.ts';
import { addressesOf, dialPort, dialSocket } from './dial.ts';
import { evidenceOf } from './evidence.ts';
import { execIn } from './exec.ts';
import { filesIn } from './files.ts';
import { variableOf } from './variables.ts';
import { type View, viewOf } from './view.ts';
import { volumesIn } from './volumes.ts';

/** A container as one server. What is costly is asked for when it is needed. */
export async function dockerInstance(docker: Docker, container: Inspected, ref: Ref): Promise<Instance> {
  const id = container.Id;
  const view = await viewOf(container);
  const evidence = await evidenceOf(docker, container, view);
  const sockets = evidence.processes.flatMap((it) => it.sockets ?? []);
  const init = hasInit(container, evidence);
  let shell: Promise<boolean> | undefined;
  return {
    ref,
    runtime: 'docker',
    image: { name: container.Config.Image, digest: container.Image },
    evidence,
    // The socket first: it needs no network, and the server's own rules for it are the least strict.
    endpoints: [...sockets.map((socket) => ({ socket })), ...evidence.ports.map((port) => ({ port }))],
    async dial(to) {
      if (!container.State.Running) throw notRunning(container, ref);
      if ('socket' in to) return dialSocket(view, to.socket, ref);
      return dialPort(await addressesOf(docker, container, to.port), to.port, ref);
    },
    async definition(dataDirectory) {
      return definitionOf(docker, container, dataDirectory, await ownerOf(docker, container, view, dataDirectory));
    },
    volumes: (paths) => volumesIn(container, view, paths),
    async exec(argv, how) {
      shell ??= exists(docker, id, '/bin/sh');
      return execIn({ docker, id, name: formatRef(ref), shell: await shell, init }, argv, how);
    },
    variable: (name) => variableOf(docker, container, name),
    files: (root) => filesIn(container, view, root),
  };
}

const notRunning = (container: Inspected, ref: Ref): StillpointError =>
  new StillpointError('unreachable', `${formatRef(ref)} does not run: it is ${container.State.Status}.`, {
    next: `docker start ${container.Name.slice(1)}`,
  });

async function ownerOf(
  docker: Docker,
  container: Inspected,
  view: View | undefined,
  path: string,
): Promise<{ readonly uid: number; readonly gid: number }> {
  if (view) {
    const { uid, gid } = await stat(await view.here(path));
    return { uid, gid };
  }
  const entry = await entryOf(docker, container.Id, path);
  if (entry) return { uid: entry.uid, gid: entry.gid };
  throw new StillpointError('not-found', `${path} does not exist in ${container.Name.slice(1)}.`);
}

/** Programs that are made to be process 1, and shells, which take no notice of orphans either. */
const INITS =
  /^(docker-init|tini|tini-static|dumb-init|catatonit|s6-svscan|runsvdir|systemd|init|supervisord|busybox|sh|bash|dash|ash)$/;

function hasInit({ HostConfig, State }: Inspected, { processes }: Instance['evidence']): boolean {
  const first = processes.find((it) => it.pid === State.Pid);
  return HostConfig.Init === true || (first !== undefined && INITS.test(basename(first.executable)));
}
