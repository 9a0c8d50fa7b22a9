import { describe, expect, test } from 'vitest';
import { type Planned, planHolds } from '../../../src/backup/holds.ts';
import { facts, plan } from '../output/documents.ts';

const [template] = plan.sources;
if (!template) throw new Error('the documents have changed');

const source = (name: string, more: Partial<Planned> = {}, tables = 10, unholdable?: string): Planned => ({
  plan: {
    ...template,
    name,
    facts: { ...facts, tables },
    reasons: unholdable === undefined ? [] : [{ code: 'unholdable', text: unholdable }],
  },
  barrier: 'transactions',
  onePoint: false,
  ...more,
});
const mariadb = { barrier: 'statements' } as const;
const onePoint = { onePoint: true } as const;

const unheld = (...of: Parameters<typeof planHolds>): readonly string[] => {
  const { planned, held } = planHolds(...of);
  return planned.filter((it) => !held.includes(it.name)).map((it) => it.name);
};

describe('which sources a plan holds', () => {
  test('CUT-1 in a group one source whose cut is one point goes unheld, and the plan says why', () => {
    const { planned, held } = planHolds([source('pg', onePoint), source('maria', mariadb)], true, 'fail');
    expect(held).toEqual(['maria']);
    expect(planned[0]?.reasons).toEqual([{ code: 'one-unheld', text: 'one source may go unheld' }]);
    expect(planned[1]?.reasons).toEqual([]);
  });

  test('CUT-1 who waits for transactions is held before who waits for statements, in the order of the job', () => {
    const all = [source('m1', mariadb), source('p1'), source('m2', mariadb), source('p2')];
    expect(planHolds(all, true, 'fail').held).toEqual(['p1', 'p2', 'm1', 'm2']);
  });

  test('CUT-1 of several that could, the one with the most to lock goes unheld, and no second one', () => {
    const all = [
      source('small', onePoint, 5),
      source('large', onePoint, 500),
      source('maria', { ...mariadb, ...onePoint }, 9e3),
    ];
    expect(unheld(all, true, 'fail')).toEqual(['large']);
  });

  test('CUT-1 a source that is not one point without a hold is held', () => {
    expect(unheld([source('several databases'), source('maria', mariadb)], true, 'fail')).toEqual([]);
  });

  test('CUT-1 a server that cannot be held is the one that goes unheld', () => {
    const all = [source('pg', onePoint), source('replica', mariadb, 1, 'this is a replica')];
    expect(unheld(all, true, 'fail')).toEqual(['replica']);
  });

  test('CUT-1 two that cannot be held are refused before anything is touched, or go with a lower claim', () => {
    const all = [source('pg', {}, 1, 'may not lock'), source('maria', mariadb, 1, 'no RELOAD'), source('more')];
    expect(() => planHolds(all, true, 'fail')).toThrowError(
      expect.objectContaining({ exit: 4, message: expect.stringMatching(/pg.*may not lock.*maria.*no RELOAD/) }),
    );
    expect(unheld(all, true, 'downgrade')).toEqual(['pg', 'maria']);
  });

  test('CUT-1 alone, or without coordination, whoever can be held is held', () => {
    expect(unheld([source('pg', onePoint)], false, 'fail')).toEqual([]);
    expect(unheld([source('a', onePoint), source('b', onePoint)], false, 'fail')).toEqual([]);
  });
});
