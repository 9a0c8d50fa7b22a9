import type { Facts, Method, Offer } from '../../model/facts.ts';
import type { StorageOffer } from '../../snapshots/snapshotter.ts';

/** Pure: what each method reaches, or what stands in its way. What only keeps writes from being held is said, too. */
export function offers(facts: Facts, storage: StorageOffer): readonly Offer[] {
  const unheld = facts.blockers.filter((it) => it.code === 'unholdable');
  const offer = (method: Method, more: Offer['reasons'] = []): Offer => {
    const impossible = [...facts.blockers.filter((it) => it.methods.includes(method)), ...more];
    const reasons = impossible.length > 0 ? impossible : unheld;
    return {
      method,
      possible: impossible.length === 0,
      level: 'application',
      reasons: reasons.map(({ code, text }) => ({ code, text })),
    };
  };
  return [offer('snapshot', uncuttable(storage)), offer('dump')];
}

/** Several cuts would be of several moments: then InnoDB's log and its files do not belong together. */
function uncuttable(storage: StorageOffer): Offer['reasons'] {
  if (storage.snapshotter !== undefined && storage.oneInstant) return [];
  return storage.reasons.length > 0
    ? storage.reasons
    : [{ code: 'storage', text: 'the storage of this server cannot be cut at one instant' }];
}
