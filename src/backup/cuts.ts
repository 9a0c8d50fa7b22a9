import type { Cut, SourcePlan } from '../model/plan.ts';
import type { SourceStorage } from './gather.ts';

/**
 * Pure: sources whose files are cut as one share a cut of storage; the others are cut by their own sessions. `storage` is
 * that of each source, in the same order.
 */
export function cutsOf(
  sources: readonly Pick<SourcePlan, 'name' | 'method'>[],
  storage: readonly SourceStorage[],
): readonly Cut[] {
  const cuts = new Map<string, Cut>();
  sources.forEach(({ name, method }, at) => {
    const { volumes = [], offer } = storage[at] ?? {};
    if (method !== 'snapshot' || offer?.snapshotter === undefined) {
      cuts.set(`source ${name}`, { source: name });
      return;
    }
    const { snapshotter, unit } = offer;
    const key = JSON.stringify([snapshotter, unit]);
    const before = cuts.get(key);
    const others = before && 'volumes' in before ? before.volumes : {};
    cuts.set(key, { snapshotter, volumes: { ...others, [name]: volumes } });
  });
  return [...cuts.values()];
}
