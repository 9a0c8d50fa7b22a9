import type { Reason } from '../../model/level.ts';
import type { Position as ModelPosition } from '../../model/position.ts';
import type { Row, Session } from './session.ts';

/** Where the server stands: by its binary log, where it keeps one, and what it has applied of another server's. */
export interface Place {
  readonly gtid: string;
  /** `binlog.000007:4711`; empty without a binary log. */
  readonly binlog: string;
  readonly applied: string;
}

/** What tells it, in this order; beside other questions in one round trip. */
export const PLACE = ['SHOW MASTER STATUS', 'SELECT @@gtid_binlog_pos AS gtid, @@gtid_slave_pos AS applied'] as const;

export function placeOf([first = [], second = []]: readonly (readonly Row[])[]): Place {
  const [status, row] = [first[0], second[0]];
  const binlog = status === undefined ? '' : `${status.File}:${status.Position}`;
  return { gtid: row?.gtid ?? '', binlog, applied: row?.applied ?? '' };
}

export const readPlace = async (session: Session): Promise<Place> => placeOf(await session.queryAll(PLACE));

export function placeText({ gtid, binlog, applied }: Place): string {
  const own = binlog === '' ? 'no binary log' : `GTID ${gtid || 'none yet'} at ${binlog}`;
  return applied === '' ? own : `${own}, applied ${applied}`;
}

/** Whether a transaction ended since `before`; `when` is how that is told: `between the cut and its fingerprint`. */
export async function movedSince(
  session: Session,
  before: Place | undefined,
  when: string,
): Promise<readonly Reason[]> {
  const now = await readPlace(session);
  if (before === undefined || before.binlog === '') {
    return [{ code: 'unproven', text: `there is no binary log: nothing shows whether a commit fell ${when}` }];
  }
  if (placeText(before) === placeText(now)) return [];
  const text = `a transaction ended ${when}: ${placeText(before)} before, ${placeText(now)} after`;
  return [{ code: 'transactions-moved', text }];
}

export const asPosition = (what: string, place: Place): ModelPosition => ({
  text: `${what}, ${placeText(place)}`,
  values: { gtid: place.gtid, binlog: place.binlog, applied: place.applied },
});
