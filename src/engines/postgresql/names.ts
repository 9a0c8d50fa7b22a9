import type { RunId } from '../../model/id.ts';

/** Everything on the server carries its run: `recover` finds it by these names. */
export const applicationName = (run: RunId): string => `stillpoint/${run}`;
export const slotName = (run: RunId): string => `stillpoint_${run}`;
