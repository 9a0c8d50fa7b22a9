import type { Facts, Method, Offer } from '../../model/facts.ts';

/** Methods of this version, best first. */
const METHODS: readonly Method[] = ['copy'];

/** Pure: what each method reaches, or what stands in its way. */
export const offers = (facts: Facts): readonly Offer[] =>
  METHODS.map((method) => {
    const reasons = facts.blockers
      .filter((it) => it.methods.includes(method))
      .map(({ code, text }) => ({ code, text }));
    return { method, possible: reasons.length === 0, level: 'application', reasons };
  });
