import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calendar } from '../../../src/repositories/periods.ts';
import { type Candidate, type Keep, retain } from '../../../src/repositories/retention.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2026-01-01T02:00:00Z');
const iso = (time: number): string => new Date(time).toISOString();
const NOW = { now: iso(START + 1000 * DAY), timeZone: 'UTC' };

let next = 0;
const backup = (day: number, more: Partial<Candidate> & { good?: boolean } = {}): Candidate => {
  const { good, ...rest } = more;
  const at = iso(START + day * DAY);
  const verification = good === undefined ? {} : { verification: { at, good } };
  return { id: `b${String(next++).padStart(7, '0')}`, at, sources: [{ name: 'orders' }], ...verification, ...rest };
};
const kept = (backups: readonly Candidate[], keep: Keep, options = NOW): string[] =>
  retain(backups, keep, options).flatMap((one) => (one.keep ? [one.id] : []));
const reasonsOf = (backups: readonly Candidate[], keep: Keep, one: Candidate | undefined): string[] =>
  retain(backups, keep, NOW).flatMap(({ id, reasons }) => (id === one?.id ? reasons.map(({ text }) => text) : []));

describe('retention', () => {
  test('STORE-5 last, daily, weekly and monthly keep the newest of each, and every verdict says why', () => {
    const nightly = Array.from({ length: 90 }, (_, day) => backup(day));
    const verdicts = retain(nightly, { last: 3, daily: 7, weekly: 4, monthly: 12 }, NOW);
    const days = verdicts.filter(({ keep }) => keep).map(({ at }) => at.slice(0, 10));
    expect(days).toEqual([
      ...['2026-03-31', '2026-03-30', '2026-03-29', '2026-03-28', '2026-03-27', '2026-03-26', '2026-03-25'],
      ...['2026-03-22', '2026-03-15', '2026-02-28', '2026-01-31'],
    ]);
    const why = verdicts.map(({ reasons }) => reasons.map(({ text }) => text));
    expect(why[0]).toEqual([
      'newest of orders',
      'last 1 of 3',
      'daily 1 of 7 (2026-03-31)',
      'weekly 1 of 4 (2026-W14)',
      'monthly 1 of 12 (2026-03)',
    ]);
    expect(why.at(-1)).toEqual(['not kept by last 3, daily 7, weekly 4, monthly 12']);
  });

  test('STORE-5 hourly and yearly', () => {
    const hours = Array.from({ length: 50 }, (_, hour) => backup(hour / 48));
    expect(kept(hours, { hourly: 3 })).toHaveLength(3);
    const years = Array.from({ length: 40 }, (_, month) => backup(month * 30.5));
    const days = retain(years, { yearly: 2 }, { ...NOW, now: iso(START + 5000 * DAY) }).filter(({ keep }) => keep);
    expect(days.map(({ at }) => at.slice(0, 7))).toEqual(['2029-04', '2028-12']);
  });

  test('STORE-5 no rules: nothing goes', () => {
    const some = [backup(1), backup(2)];
    expect(kept(some, {})).toHaveLength(2);
  });

  test('STORE-5 failed backups fill no place, and stay until a newer one is verified', () => {
    const good = backup(1, { good: true });
    const failed = [2, 3, 4, 5].map((day) => backup(day, { good: false }));
    expect(kept([good, ...failed], { last: 2 })).toHaveLength(5);
    const newer = backup(6, { good: true });
    expect(kept([good, ...failed, newer], { last: 1 })).toEqual([newer.id]);
  });

  test('STORE-5 of a day the verified backup is kept before a newer one that was never verified', () => {
    const verified = backup(1, { good: true });
    const later = backup(1.2);
    const others = [backup(2, { good: true }), backup(3)];
    expect(kept([verified, later, ...others], { daily: 3 })).not.toContain(later.id);
    expect(kept([verified, later, ...others], { daily: 3 })).toContain(verified.id);
  });

  test('STORE-5 the newest verified backup of a source stays, however old, also of a source that is gone', () => {
    const both = backup(1, { good: true, sources: [{ name: 'orders' }, { name: 'legacy' }] });
    const since = Array.from({ length: 50 }, (_, day) => backup(day + 2, { good: true }));
    expect(kept([both, ...since], { last: 1 })).toHaveLength(2);
    expect(reasonsOf([both, ...since], { last: 1 }, both)).toEqual(['newest of legacy', 'newest verified of legacy']);
  });

  test('STORE-5 what a kept backup needs is kept, and what that needs', () => {
    const full = backup(1);
    const first = backup(2, { needs: [full.id] });
    const second = backup(3, { needs: [first.id] });
    expect(kept([full, first, second], { last: 1 })).toHaveLength(3);
    expect(reasonsOf([full, first, second], { last: 1 }, full)).toEqual([`${first.id} needs it`]);
    expect(kept([full, first, second, backup(4)], { last: 1 })).toHaveLength(1);
  });

  test('STORE-5 a clock that was ahead costs nothing: what is dated in the future fills no place and protects nothing', () => {
    const real = [1, 2, 3].map((day) => backup(day, { good: true }));
    const ahead = backup(5000, { good: true });
    expect(kept([...real, ahead], { last: 1 })).toEqual([ahead.id, real[2]?.id]);
    // The clock is behind now: everything seems to be in the future.
    expect(kept([...real, ahead], { last: 1 }, { ...NOW, now: '1970-01-01T00:00:00.000Z' })).toHaveLength(4);
  });

  test('STORE-5 days end where people live', () => {
    const evening = { ...backup(0), at: '2026-06-01T22:30:00.000Z' };
    const morning = { ...backup(0), at: '2026-06-02T06:00:00.000Z' };
    const noon = { ...backup(0), at: '2026-06-03T10:00:00.000Z' };
    const all = [evening, morning, noon];
    expect(kept(all, { daily: 3 })).toHaveLength(3);
    // In Berlin it is half past midnight of the second: one day with the morning.
    expect(kept(all, { daily: 3 }, { ...NOW, timeZone: 'Europe/Berlin' })).toEqual([noon.id, morning.id]);
    const periodOf = calendar('Europe/Berlin');
    expect(periodOf('2026-12-31T23:30:00.000Z', 'yearly')).toBe('2027');
    expect(periodOf('2027-01-03T22:59:00.000Z', 'weekly')).toBe('2026-W53');
    expect(periodOf('2027-01-03T23:00:00.000Z', 'weekly')).toBe('2027-W01');
    // The hour that an autumn night has twice.
    expect(periodOf('2026-10-25T00:30:00.000Z', 'hourly')).not.toBe(periodOf('2026-10-25T01:30:00.000Z', 'hourly'));
  });
});

const names = fc.subarray(['orders', 'catalog', 'legacy'], { minLength: 1 });
const history = fc
  .array(
    fc.record({
      // Hours since the start; clocks that jump give any order and the future.
      hour: fc.oneof(fc.integer({ min: 0, max: 24 * 900 }), fc.integer({ min: 0, max: 100 }), fc.constant(24 * 2000)),
      good: fc.constantFrom(true, false, undefined),
      pinned: fc.boolean(),
      names,
      needs: fc.array(fc.nat(30), { maxLength: 2 }),
    }),
    { maxLength: 40 },
  )
  .map((list) =>
    list.map(({ hour, good, pinned, names: own, needs }, index): Candidate => {
      const at = iso(START + hour * HOUR);
      return {
        id: `n${String(index).padStart(7, '0')}`,
        at,
        sources: own.map((name) => ({ name })),
        needs: needs.filter((other) => other < index).map((other) => `n${String(other).padStart(7, '0')}`),
        ...(good === undefined ? {} : { verification: { at, good } }),
        ...(pinned ? { pinned: true } : {}),
      };
    }),
  );
const count = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined });
const rules: fc.Arbitrary<Keep> = fc.record({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
});
const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Kiritimati', 'Asia/Kathmandu');
const property = (check: (backups: Candidate[], keep: Keep, options: typeof NOW) => void) =>
  fc.assert(
    fc.property(history, rules, zones, (backups, keep, timeZone) => check(backups, keep, { ...NOW, timeZone })),
    { numRuns: 500 },
  );

describe('retention, over random histories', () => {
  test('STORE-5 never removes the newest verified backup of any source', () => {
    property((backups, keep, options) => {
      const left = new Set(kept(backups, keep, options));
      for (const name of ['orders', 'catalog', 'legacy']) {
        const verified = backups.filter(
          (one) =>
            one.verification?.good && one.at <= options.now && one.sources.some((source) => source.name === name),
        );
        const newest = verified.reduce((a, b) => (b.at > a.at ? b : a), verified[0] ?? backup(0));
        if (verified.length > 0) {
          expect(verified.some((one) => one.at === newest.at && left.has(one.id))).toBe(true);
        }
      }
    });
  });

  test('STORE-5 never removes a pinned one, one from the future, or one that a kept one needs', () => {
    property((backups, keep, options) => {
      const left = new Set(kept(backups, keep, options));
      for (const one of backups) {
        if (one.pinned || one.at > options.now) expect(left.has(one.id)).toBe(true);
        if (left.has(one.id)) for (const id of one.needs ?? []) expect(left.has(id)).toBe(true);
      }
    });
  });

  test('STORE-5 removing is final: what is left is kept the next time, and the order of the list means nothing', () => {
    property((backups, keep, options) => {
      const left = kept(backups, keep, options);
      const again = backups.filter((one) => left.includes(one.id));
      expect(kept(again, keep, options)).toEqual(left);
      expect(kept(backups.toReversed(), keep, options)).toEqual(left);
    });
  });

  test('STORE-5 keeps no more than the rules and the protected ones, and as many usable ones as last asks for', () => {
    property((backups, keep, options) => {
      const verdicts = retain(backups, keep, options);
      const asked = Object.values(keep).reduce((sum: number, one) => sum + (one ?? 0), 0);
      const byRule = verdicts.filter(({ reasons }) =>
        reasons.every(({ code }) => ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'].includes(code)),
      );
      expect(byRule.length).toBeLessThanOrEqual(asked);
      const usable = backups.filter((one) => one.verification?.good !== false && one.at <= options.now);
      const left = verdicts.filter((one) => one.keep && usable.some(({ id }) => id === one.id));
      expect(left.length).toBeGreaterThanOrEqual(Math.min(keep.last ?? 0, usable.length));
      for (const { reasons } of verdicts) expect(reasons.length).toBeGreaterThan(0);
    });
  });
});

test('STORE-5 a year of nights with forget after each: every source keeps its newest verified backup', () => {
  const random = fc.sample(fc.tuple(fc.integer({ min: 0, max: 99 }), names), { numRuns: 365, seed: 7 });
  let stored: Candidate[] = [];
  const verified = new Map<string, string>();
  for (const [day, [luck, own]] of random.entries()) {
    const good = luck < 40 ? true : luck < 60 ? false : undefined;
    const one = backup(day, { sources: own.map((name) => ({ name })), ...(good === undefined ? {} : { good }) });
    stored.push(one);
    if (good) for (const name of own) verified.set(name, one.id);
    const left = new Set(kept(stored, { last: 3, daily: 7, weekly: 4, monthly: 12 }, { ...NOW, now: one.at }));
    stored = stored.filter(({ id }) => left.has(id));
    for (const [name, id] of verified) expect({ day, name, kept: left.has(id) }).toEqual({ day, name, kept: true });
  }
  expect(stored.length).toBeGreaterThan(15);
  expect(stored.length).toBeLessThan(40);
});
