import type { Facts, Method, Offer } from '../../model/facts.ts';

/** Methods of this version, best first. */
const METHODS: readonly Method[] = ['copy', 'dump'];

/** Pure: what each method reaches, or what stands in its way. What only keeps writes from being held is said, too. */
export const offers = (facts: Facts): readonly Offer[] =>
  METHODS.map((method) => {
    const impossible = facts.blockers.filter((it) => it.methods.includes(method));
    const unheld = facts.blockers.filter((it) => it.code === 'unholdable');
    // The copy's end is found in the log, and its fingerprint beside it: without a hold the two are not the same point.
    const onePoint = method === 'dump' && (facts.populated ?? facts.databases).length < 2;
    const reasons = impossible.length > 0 ? impossible : method === 'copy' ? [] : unheld;
    return {
      method,
      possible: impossible.length === 0,
      level: 'application',
      reasons: reasons.map(({ code, text }) => ({ code, text })),
      ...(onePoint ? { onePoint } : {}),
    };
  });
