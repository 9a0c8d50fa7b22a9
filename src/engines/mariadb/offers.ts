import type { Facts, Method, Offer } from '../../model/facts.ts';

/** Methods of this version, best first. */
const METHODS: readonly Method[] = ['dump'];

/** Pure: what each method reaches, or what stands in its way. What only keeps writes from being held is said, too. */
export const offers = (facts: Facts): readonly Offer[] =>
  METHODS.map((method) => {
    const impossible = facts.blockers.filter((it) => it.methods.includes(method));
    const unheld = facts.blockers.filter((it) => it.code === 'unholdable');
    const reasons = impossible.length > 0 ? impossible : unheld;
    return {
      method,
      possible: impossible.length === 0,
      level: 'application',
      reasons: reasons.map(({ code, text }) => ({ code, text })),
    };
  });
