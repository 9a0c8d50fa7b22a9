import type { RunId } from '../../model/id.ts';

/** Everything on the server carries its run: `recover` finds it by these names. */
export const applicationName = (run: RunId): string => `stillpoint/${run}`;
export const slotName = (run: RunId): string => `stillpoint_${run}`;

/** `orders.shop.dump`; a database whose name cannot be that of a file goes by its number. */
export const dumpName = (source: string, database: string, oid: string): string =>
  `${source}.${/^[A-Za-z0-9_-]+$/.test(database) ? database : `oid.${oid}`}.dump`;
export const globalsName = (source: string): string => `${source}.globals.sql`;
