import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openStallArena } from '../bench/stall/arena.ts';
import { ours, type Parts } from '../bench/stall/ours.ts';
import { now } from '../bench/stall/ways.ts';
import { canMount } from '../environment/disks.ts';
import { tryImage } from '../environment/images.ts';
import { makeFolder } from '../support/cli.ts';

const found = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const obstacle = found && !found.ok ? found.reason : await canMount('btrfs');

/** How long a lock of our own making stops writers: what the bench must see of it. */
const KNOWN = 400;

/** The figures are in docs/bench.md; here it is shown that the bench sees a stall, and that a window's parts are its whole. */
test.skipIf(obstacle)(
  `CUT-10 the stall bench sees a lock for as long as it lasts, and where the time of a window goes${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`,
  async () => {
    await using arena = await openStallArena(2, 10);
    await using folder = await makeFolder();
    while (!Number.isFinite(await arena.longest({ from: now(), to: now() }))) await sleep(100);

    const from = now();
    await arena.stop('postgres-0', KNOWN);
    expect(await arena.longest({ from, to: now() })).toBeGreaterThanOrEqual(KNOWN - 5);

    const parts: Parts[] = [];
    const span = await ours(folder.path, parts)(arena, 1);
    const [{ acquire, flush, cut, release } = { acquire: 0, flush: 0, cut: 0, release: 0 }] = parts;
    for (const part of [acquire, flush, cut, release]) expect(part).toBeGreaterThan(0);
    expect(acquire + flush + cut + release).toBeLessThanOrEqual(span.to - span.from);
  },
);
