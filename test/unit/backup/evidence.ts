import type { CutSeen, Evidence, HoldSeen } from '../../../src/backup/proof.ts';
import type { Witness } from '../../../src/engines/capture.ts';
import type { Interval } from '../../../src/model/time.ts';

/** Evidence as a window leaves it, for forging. */

export const interval = (start: number, end: number): Interval => ({
  from: '2026-11-21T02:00:00.000Z',
  to: '2026-11-21T02:00:00.000Z',
  millis: end - start,
  start,
  end,
});

export const witness: Witness = {
  session: 'pid 4711 since 2026-11-21 02:00:00.123456+00',
  holding: true,
  transactions: '745:745:',
  term: 'primary on timeline 1',
};

const hold = (source: string, granted: number): HoldSeen => ({
  source,
  granted,
  until: 10_000,
  released: 60,
  before: witness,
  after: witness,
});

const cut = (source: string, start: number, end: number, by: CutSeen['by'] = 'session'): CutSeen => ({
  source,
  at: interval(start, end),
  by,
  atomic: true,
});

/** Two held, one not, all cut within the hold: nothing to doubt. */
export const sound: Evidence = {
  coordinated: true,
  holds: [hold('orders', 5), hold('catalog', 12)],
  cuts: [cut('orders', 40, 42), cut('catalog', 40, 44), cut('stock', 41, 50, 'storage')],
  flushed: { orders: interval(13, 16), catalog: interval(13, 20), stock: interval(13, 18) },
  unheld: { stock: [] },
};

/** With one member of one hold changed. */
export const withHold = (source: string, change: Partial<HoldSeen>): Evidence => ({
  ...sound,
  holds: sound.holds.map((it) => (it.source === source ? { ...it, ...change } : it)),
});

export const withCut = (source: string, change: Partial<CutSeen>): Evidence => ({
  ...sound,
  cuts: sound.cuts.map((it) => (it.source === source ? { ...it, ...change } : it)),
});
