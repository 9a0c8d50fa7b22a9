import { StillpointError } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';

/** How long a hold may last, and what ends it. */
export interface Terms {
  /** When the request that was granted was sent, monotonic. */
  readonly since: Millis;
  /** From `since` on; the server's own limit is the same or longer. */
  readonly room: Millis;
  /** Ends of the sessions that hold. */
  readonly sessions: readonly AbortSignal[];
  /** Lets writes go, on the server. */
  readonly release: () => Promise<void>;
}

export interface Lease {
  readonly since: Millis;
  readonly until: Millis;
  readonly lost: AbortSignal;
  /** Idempotent; every caller waits for the one release. */
  resume(): Promise<void>;
}

/** A hold that is lost with any of its sessions, and that ends itself at its limit, whatever its owner waits for. */
export function lease({ since, room, sessions, release }: Terms): Lease {
  const limit = new AbortController();
  let resumed: Promise<void> | undefined;
  const resume = (): Promise<void> => {
    clearTimeout(timer);
    resumed ??= release();
    return resumed;
  };
  const until = since + room;
  const expire = (): void => {
    limit.abort(new StillpointError('hold-lost', `The hold passed its limit of ${Math.round(room)} ms.`));
    // Whoever resumes it in order hears of a failure; until then nobody listens.
    resume().catch(() => undefined);
  };
  const timer = setTimeout(expire, Math.max(0, until - performance.now()));
  return { since, until, lost: AbortSignal.any([limit.signal, ...sessions]), resume };
}
