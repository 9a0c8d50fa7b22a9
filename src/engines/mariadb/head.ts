import { StillpointError } from '../../model/errors.ts';
import type { Place } from './position.ts';

/** Comments of the head, and before 11 the GTID behind the definitions of no more than the first database. */
const MOST = 64 << 10;

/** The first lines of a dump, where mariadb-dump says at which position its own transaction began. */
export class DumpHead {
  #text = '';

  see(chunk: Buffer): void {
    if (this.#text.length < MOST) this.#text += chunk.toString('latin1', 0, MOST);
  }

  /** `file:position` of the binary log; empty when it has none. */
  get binlog(): string {
    const found = /MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)/.exec(this.#text);
    return found ? `${found[1]}:${found[2]}` : '';
  }

  /** Throws `source-changed` when the dump's transaction is not that of the point. */
  check(place: Place): void {
    if (this.binlog === place.binlog) return;
    throw new StillpointError(
      'source-changed',
      `mariadb-dump began at ${this.binlog || 'no position'}, and the point is at ${place.binlog || 'no position'}.`,
    );
  }
}
