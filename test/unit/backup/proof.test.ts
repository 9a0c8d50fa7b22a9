import { describe, expect, test } from 'vitest';
import { doubtsOf, type Evidence, worthAnother } from '../../../src/backup/proof.ts';
import { interval, sound, withCut, withHold, witness } from './evidence.ts';

/** Section 8: what must lower the claim. Each is forged from sound evidence, and has a reason of its own. */
const DOWNGRADES: readonly { what: string; evidence: Evidence; code: string; source: string; text: RegExp }[] = [
  {
    what: 'late hold',
    evidence: { ...withHold('catalog', { granted: 40.5 }), flushed: {} },
    code: 'held-late',
    source: 'catalog',
    text: /after the cut of orders had begun/,
  },
  {
    what: 'lost session',
    evidence: withHold('orders', { after: { ...witness, session: '', holding: false } }),
    code: 'session-lost',
    source: 'orders',
    text: /gone after the cut/,
  },
  {
    what: 'reused pid',
    evidence: withHold('orders', { after: { ...witness, session: 'pid 4711 since 2026-11-21 02:00:00.2+00' } }),
    code: 'session-reused',
    source: 'orders',
    text: /another session held writes/,
  },
  {
    what: 'changed transaction snapshot',
    evidence: withHold('catalog', { after: { ...witness, transactions: '745:746:' } }),
    code: 'transactions-moved',
    source: 'catalog',
    text: /745:745: before, 745:746: after/,
  },
  {
    what: 'expired pause',
    evidence: withHold('catalog', { until: 49 }),
    code: 'hold-expired',
    source: 'catalog',
    text: /ended by itself 1 ms before stock was cut/,
  },
  {
    what: 'cut after resume',
    evidence: withCut('catalog', { at: interval(58, 61) }),
    code: 'cut-after-resume',
    source: 'catalog',
    text: /after orders had been let go/,
  },
  {
    what: 'role or term changed',
    evidence: withHold('orders', { after: { ...witness, term: 'primary on timeline 2' } }),
    code: 'term-changed',
    source: 'orders',
    text: /timeline 1 before, primary on timeline 2 after/,
  },
  {
    what: 'CSI bracket outside',
    evidence: withCut('stock', { at: interval(41, 1_040) }),
    code: 'bracket-outside',
    source: 'stock',
    text: /some moment of 999 ms, not all of which lay in the hold of orders/,
  },
  {
    what: 'driver not atomic',
    evidence: withCut('stock', { atomic: false }),
    code: 'not-atomic',
    source: 'stock',
    text: /not known to cut all of it at one instant/,
  },
  {
    what: 'flush before all were held',
    evidence: { ...sound, flushed: { ...sound.flushed, stock: interval(6, 18) } },
    code: 'flushed-early',
    source: 'stock',
    text: /flushed before catalog was held/,
  },
];

describe('the proof of one instant', () => {
  test('CUT-4 sound evidence leaves no doubt', () => {
    expect(doubtsOf(sound)).toEqual([]);
  });

  test.each(DOWNGRADES)('CUT-4 $what is told as $code', ({ evidence, code, source, text }) => {
    const doubts = doubtsOf(evidence);
    expect(new Set(doubts.map((it) => it.reason.code))).toEqual(new Set([code]));
    expect(doubts[0]?.name).toBe(source);
    expect(doubts[0]?.reason.text).toMatch(text);
  });

  test('CUT-4 each of the ten has a reason code of its own', () => {
    expect(new Set(DOWNGRADES.map((it) => it.code)).size).toBe(10);
  });

  test('CUT-4 what an unheld source says against its own cut counts as well', () => {
    const reason = { code: 'transactions-moved', text: 'a transaction ended' };
    expect(doubtsOf({ ...sound, unheld: { stock: [reason] } })).toEqual([{ name: 'stock', reason, held: false }]);
  });

  test('CUT-4 sources that are not coordinated are judged by their own hold alone', () => {
    const apart = withCut('catalog', { at: interval(58, 61) });
    const own = { ...apart, coordinated: false };
    expect(doubtsOf(own).map((it) => it.reason.text)).toEqual([
      expect.stringContaining('after catalog had been let go'),
    ]);
    expect(doubtsOf(apart).length).toBeGreaterThan(1);
  });

  test('CUT-4 only a transaction that slipped through is worth another cut', () => {
    const again = DOWNGRADES.filter((it) => worthAnother(doubtsOf(it.evidence))).map((it) => it.code);
    expect(again).toEqual(['transactions-moved']);
  });
});
