import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Evidence } from '../../model/facts.ts';
import type { Definition } from '../../model/manifest.ts';
import type { Ref } from '../../model/ref.ts';
import { connectTo } from '../connect.ts';
import { volumesOf } from '../mounts.ts';
import { listeners, processOf } from '../proc.ts';
import type { Instance } from '../runtime.ts';
import { treeOf } from '../tree.ts';
import { execOnHost } from './exec.ts';

/** A server reached by URL: on this machine, or elsewhere (then without its files and programs). */
export async function hostInstance(ref: Extract<Ref, { kind: 'url' }>): Promise<Instance> {
  const processes = (await Promise.all((await listeners(ref.port)).map(processOf))).filter((it) => it !== undefined);
  const evidence: Evidence = { processes, ports: [ref.port], markers: [], environment: [] };
  return {
    ref,
    runtime: 'host',
    evidence,
    endpoints: [{ port: ref.port }],
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
