import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type Docker from 'dockerode';
import { StillpointError } from '../../model/errors.ts';
import { formatRef, type Ref } from '../../model/ref.ts';
import type { Files } from '../files.ts';
import type { Instance } from '../runtime.ts';
import type { Inspected } from './api.ts';
import { entryOf, exists } from './archive.ts';
import { definitionOf } from './definition.ts';
import { addressesOf, dialPort, dialSocket } from './dial.ts';
import { evidenceOf, type Look } from './evidence.ts';
import { execIn, type Place } from './exec.ts';
import { filesIn } from './files.ts';
import { Inside } from './inside.ts';
import type { Daemon } from './self.ts';
import { variableOf } from './variables.ts';
import { type View, viewOf } from './view.ts';
import { volumesIn } from './volumes.ts';

/** A container as one server. What is costly is asked for when it is needed. */
export async function dockerInstance(
  daemon: Daemon,
  container: Inspected,
  ref: Ref,
  how: Look = { ports: true },
): Promise<Instance> {
  const { docker } = daemon;
  const view = viewOf(container);
  const evidence = await evidenceOf(daemon, container, view, how);
  const sockets = evidence.processes.flatMap((it) => it.sockets ?? []);
  const place = once(async (): Promise<Place> => {
    const shell = await exists(docker, container.Id, '/bin/sh');
    return { docker, id: container.Id, name: formatRef(ref), shell, init: hasInit(container, evidence) };
  });
  const inside = async (): Promise<Inside | undefined> =>
    !view && container.State.Running && (await place()).shell ? new Inside(await place()) : undefined;
  const files = async (root: string): Promise<Files> =>
    filesIn(container, view, await inside(), await daemon.paths(), root);
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
      return definitionOf(
        docker,
        container,
        dataDirectory,
        await ownerOf(docker, container, view, await inside(), dataDirectory),
      );
    },
    volumes: async (paths) => volumesIn(container, view, await inside(), paths),
    exec: async (argv, how) => execIn(await place(), argv, how),
    variable: (name) => variableOf(container, files, name),
    files,
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
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
  inside: Inside | undefined,
  path: string,
): Promise<{ readonly uid: number; readonly gid: number }> {
  if (view) {
    const { uid, gid } = await stat(await view.here(path));
    return { uid, gid };
  }
  if (inside) return inside.owner(path);
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
