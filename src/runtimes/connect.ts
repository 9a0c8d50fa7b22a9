import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { StillpointError } from '../model/errors.ts';
import { formatRef, type Ref } from '../model/ref.ts';
import type { Millis } from '../model/time.ts';

const DIAL_LIMIT = 5_000;

/** Connects within the limit or throws `unreachable` with what the network said. */
export function connectTo(
  to: { readonly path: string } | { readonly host: string; readonly port: number },
  ref: Ref,
  limit: Millis = DIAL_LIMIT,
): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const socket = connect({ ...to, noDelay: true, keepAlive: true });
  const where = 'path' in to ? `the socket ${to.path}` : `${to.host}:${to.port}`;
  const fail = (why: string, cause?: unknown): void => {
    socket.destroy();
    reject(new StillpointError('unreachable', `${formatRef(ref)} cannot be reached: ${where} ${why}.`, { cause }));
  };
  const timer = setTimeout(() => fail(`did not answer within ${limit / 1000} s`), limit);
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
