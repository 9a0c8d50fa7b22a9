import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evidence } from '../model/facts.ts';

type Markers = Evidence['markers'];

/** Files that tell a database's data directory from any other folder, whatever its program is called. */
export const MARKERS: readonly string[] = [
  'PG_VERSION',
  'ibdata1',
  'aria_log_control',
  'WiredTiger',
  'dump.rdb',
  'appendonlydir',
  'appendonly.aof',
];

/** Only the beginning is read: some are large, and only `PG_VERSION` says something there. */
const LENGTH = 64;

/** Markers in a folder: `here` is how this process calls it, `folder` how the server does. */
export async function markersIn(here: string, folder: string): Promise<Markers> {
  const names = await readdir(here).catch((): string[] => []);
  const found = MARKERS.filter((it) => names.includes(it));
  return Promise.all(
    found.map(async (name) => ({
      path: join(folder, name),
      text: isText(name) ? await beginning(join(here, name)) : '',
    })),
  );
}

export const isText = (marker: string): boolean => marker === 'PG_VERSION';

async function beginning(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return '';
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(LENGTH) });
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await file.close();
  }
}
