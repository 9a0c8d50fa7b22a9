import type { Entry, SourceChange } from '../hold/journal.ts';
import type { Plan } from '../model/plan.ts';
import { formatRef } from '../model/ref.ts';
import type { Millis } from '../model/time.ts';
import type { OpenCaptures } from './prepare.ts';
import type { World } from './world.ts';

/** Makes it safe to change servers: resolves when it is, and nothing may be changed before. Dispose when it is over. */
export type Protect = (changes: readonly SourceChange[]) => Promise<AsyncDisposable>;

/** For what a run needs beside its hold: listing tables, flushing. */
const GRACE: Millis = 5_000;

/** Writes down what is going to be changed, then sets a guard over it that has proven itself alive. Without changes it does nothing. */
export function protection(world: World, entry: Entry, plan: Plan, captures: OpenCaptures): Protect {
  return async (changes) => {
    if (changes.length === 0) return { [Symbol.asyncDispose]: async () => undefined };
    await entry.changing(changes);
    const servers = captures.flatMap(({ plan: { name, engine }, source: { request, login } }) => {
      const own = changes.filter((it) => it.source === name);
      if (own.length === 0) return [];
      const { password, ...rest } = login;
      const secret = password === undefined ? {} : { password: password.reveal() };
      return [{ ref: formatRef(request.ref), engine, login: { ...rest, ...secret }, changes: own }];
    });
    const within = plan.holdLimit + GRACE;
    const guard = await world.guard({ run: plan.id, within, servers });
    return {
      async [Symbol.asyncDispose]() {
        const left = await guard.end();
        if (left.length === 0) return;
        entry.keep();
        for (const text of left)
          world.emit({ event: 'warning', reason: { code: 'change-left', text: `${text}; run stillpoint recover` } });
      },
    };
  };
}
