import type { Facts, Method, Offer } from '../../model/facts.ts';
import type { StorageOffer } from '../../snapshots/snapshotter.ts';

/** Methods of this version, best first. */
const METHODS: readonly Method[] = ['snapshot', 'dump'];

/** Pure: what each method reaches, or what stands in its way. What only keeps writes from being held is said, too. */
export const offers = (facts: Facts, storage: StorageOffer): readonly Offer[] =>
  METHODS.map((method) => {
    const blockers = facts.blockers.filter((it) => it.methods.includes(method));
    const uncut = method === 'snapshot' && !storage.oneInstant;
    // Where the files are out of reach the server's own word says more than what became of looking at them.
    const impossible = blockers.length === 0 && uncut ? storage.reasons : blockers;
    const unheld = facts.blockers.filter((it) => it.code === 'unholdable');
    const reasons = impossible.length > 0 ? impossible : unheld;
    return {
      method,
      possible: blockers.length === 0 && !uncut,
      level: 'application',
      reasons: reasons.map(({ code, text }) => ({ code, text })),
    };
  });
