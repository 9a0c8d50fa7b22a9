import { stat } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import type { Evidence, SeenProcess } from '../../model/facts.ts';
import type { Definition } from '../../model/manifest.ts';
import type { Ref } from '../../model/ref.ts';
import { connectTo } from '../connect.ts';
import { volumesOf } from '../mounts.ts';
import { listeningProcessesOf, ownPids } from '../proc.ts';
import type { Instance } from '../runtime.ts';
import { treeOf } from '../tree.ts';
import { execOnHost } from './exec.ts';

type UrlRef = Extract<Ref, { kind: 'url' }>;

/** A server reached by URL: on this machine, or elsewhere (then without its files and programs). */
export async function hostInstance(ref: UrlRef): Promise<Instance> {
  return instanceOf(ref, isHere(ref.host) ? processesAt(ref.port) : []);
}

/** Processes of this machine that listen there. */
const processesAt = (port: number): readonly SeenProcess[] =>
  listeningProcessesOf(ownPids(), 'self').filter((it) => it.ports?.includes(port));

function isHere(host: string): boolean {
  if (host === 'localhost') return true;
  return Object.values(networkInterfaces()).some((them) => them?.some(({ address }) => address === host));
}

/** The server that these processes are. */
export function instanceOf(ref: UrlRef, processes: readonly SeenProcess[]): Instance {
  const evidence: Evidence = { processes, ports: [ref.port], markers: [], environment: [] };
  return {
    ref,
    runtime: 'host',
    evidence,
    endpoints: [{ port: ref.port }, ...processes.flatMap((it) => it.sockets ?? []).map((socket) => ({ socket }))],
    dial: (to) =>
      'socket' in to ? connectTo({ path: to.socket }, ref) : connectTo({ host: ref.host, port: to.port }, ref),
    async definition(dataDirectory): Promise<Definition> {
      const { uid, gid } = await stat(dataDirectory);
      const executable = processes[0]?.executable;
      return {
        runtime: 'host',
        dataDirectory,
        uid,
        gid,
        ...(executable === undefined ? {} : { programs: dirname(executable) }),
      };
    },
    volumes: volumesOf,
    exec: execOnHost,
    files: async (root) => treeOf(root),
  };
}
