import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { StillpointError } from '../../model/errors.ts';
import type { Evidence } from '../../model/facts.ts';
import type { Definition } from '../../model/manifest.ts';
import { formatRef, type Ref } from '../../model/ref.ts';
import type { Instance } from '../runtime.ts';
import { treeOf } from '../tree.ts';
import { execOnHost } from './exec.ts';
import { listeners, processOf } from './proc.ts';
import { volumesOf } from './volumes.ts';

const DIAL_LIMIT = 5_000;

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
      'socket' in to ? dialHost({ path: to.socket }, ref) : dialHost({ host: ref.host, port: to.port }, ref),
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

/** Connects within 5 s or throws `unreachable` with what the network said. */
export function dialHost(to: { path: string } | { host: string; port: number }, ref: Ref): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const socket = connect({ ...to, noDelay: true, keepAlive: true });
  const where = 'path' in to ? `the socket ${to.path}` : `${to.host}:${to.port}`;
  const fail = (why: string, cause?: unknown): void => {
    socket.destroy();
    reject(new StillpointError('unreachable', `${formatRef(ref)} cannot be reached: ${where} ${why}.`, { cause }));
  };
  const timer = setTimeout(() => fail(`did not answer within ${DIAL_LIMIT / 1000} s`), DIAL_LIMIT);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.removeAllListeners('error');
    resolve(socket);
  });
  socket.once('error', (cause: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    fail(REFUSALS[cause.code ?? ''] ?? cause.message, cause);
  });
  return promise;
}

const REFUSALS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection: nothing listens there',
  ENOTFOUND: 'is not a known host name',
  EAI_AGAIN: 'cannot be resolved: the name server does not answer',
  EHOSTUNREACH: 'is not reachable from this machine',
  ENETUNREACH: 'is not reachable from this machine',
  ENOENT: 'does not exist',
  EACCES: 'may not be used by this user',
};
