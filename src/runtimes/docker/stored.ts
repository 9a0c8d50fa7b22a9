import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evidence } from '../../model/facts.ts';
import { isText, MARKERS, markersIn } from '../markers.ts';
import type { Inspected } from './api.ts';
import { entryOf, exists } from './archive.ts';
import type { Daemon } from './self.ts';
import { placeOf } from './volumes.ts';

type Markers = Evidence['markers'];

/** Markers in the folders that a stopped container's definition names: its mounts, and those in its variables (PGDATA). */
export async function storedMarkers(daemon: Daemon, container: Inspected): Promise<Markers> {
  const values = (container.Config.Env ?? []).map((it) => it.slice(it.indexOf('=') + 1));
  const mounted = container.Mounts.map((it) => it.Destination);
  const folders = new Set([...mounted, ...values.filter((it) => /^\/[^:]+$/.test(it))]);
  return (await Promise.all([...folders].map((it) => markersBelow(daemon, container, it)))).flat();
}

/** By the path of its volume or its layer where that can be read; the API takes as long for one file as the disk for all. */
async function markersBelow(daemon: Daemon, container: Inspected, folder: string): Promise<Markers> {
  const { kind, hostPath } = placeOf(container, folder);
  const upper = (container.GraphDriver?.Data as { UpperDir?: string } | undefined)?.UpperDir;
  const there = kind === 'layer' ? upper && join(upper, folder) : hostPath;
  const here = there && (await daemon.paths()).toHere(there);
  if (here !== undefined && (await stat(here).catch(() => undefined))) return markersIn(here, folder);
  return kind === 'tmpfs' ? [] : markersByApi(daemon, container, folder);
}

async function markersByApi({ docker }: Daemon, { Id }: Inspected, folder: string): Promise<Markers> {
  if (!(await exists(docker, Id, folder))) return [];
  const found: { path: string; text: string }[] = [];
  for (const marker of MARKERS) {
    const path = join(folder, marker);
    const entry = await entryOf(docker, Id, path);
    if (entry) found.push({ path, text: isText(marker) ? entry.bytes.toString('utf8').trim() : '' });
  }
  return found;
}
