import type { Facts, Method, Offer } from '../../model/facts.ts';
import type { Reason } from '../../model/level.ts';
import type { StorageOffer } from '../../snapshots/snapshotter.ts';

/** Methods of this version, best first. */
const METHODS: readonly Method[] = ['snapshot', 'copy', 'dump'];

/** Pure: what each method reaches, or what stands in its way. What only keeps writes from being held is said, too. */
export const offers = (facts: Facts, storage: StorageOffer): readonly Offer[] =>
  METHODS.map((method) => {
    const blockers = facts.blockers.filter((it) => it.methods.includes(method));
    const uncut = method === 'snapshot' && !storage.oneInstant;
    // Where the files are out of reach the server's own word says more than what became of looking at them.
    const impossible: readonly Reason[] = blockers.length === 0 && uncut ? storage.reasons : blockers;
    const unheld = facts.blockers.filter((it) => it.code === 'unholdable');
    // The copy's end is found in the log, and its fingerprint beside it: without a hold the two are not the same point.
    const reasons = impossible.length > 0 ? impossible : method === 'copy' ? [] : unheld;
    return {
      method,
      possible: blockers.length === 0 && !uncut,
      level: 'application',
      reasons: reasons.map(({ code, text }) => ({ code, text })),
      ...(isOnePoint(method, facts) ? { onePoint: true } : {}),
    };
  });

/** A cut of storage is one instant by itself, and so is one transaction. */
const isOnePoint = (method: Method, { populated, databases }: Facts): boolean =>
  method === 'snapshot' || (method === 'dump' && (populated ?? databases).length < 2);
