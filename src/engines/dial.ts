import type { Duplex } from 'node:stream';
import { StillpointError } from '../model/errors.ts';
import { formatRef } from '../model/ref.ts';
import type { Instance } from '../runtimes/runtime.ts';

export interface Dialed {
  readonly stream: Duplex;
  readonly endpoint: Instance['endpoints'][number];
}

/** A stream to the first endpoint that answers, in the runtime's order. Throws `unreachable` with what the last one said. */
export async function dialFirst(at: Instance): Promise<Dialed> {
  let last: unknown;
  for (const endpoint of at.endpoints) {
    try {
      return { stream: await at.dial(endpoint), endpoint };
    } catch (cause) {
      last = cause;
    }
  }
  if (last instanceof StillpointError) throw last;
  throw new StillpointError('unreachable', `${formatRef(at.ref)} has no port or socket that this machine can reach.`, {
    cause: last,
  });
}
