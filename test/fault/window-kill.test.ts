import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canMount } from '../environment/disks.ts';
import { tryImage } from '../environment/images.ts';
import { type Arena, HOLD_LIMIT, openArena } from '../kill/arena.ts';
import { DEATHS, snapshotHangs } from '../kill/deaths.ts';
import { momentsOf, tryDeath } from '../kill/trial.ts';

const found = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const obstacle = found && !found.ok ? found.reason : await canMount('btrfs');

/** Some moments of each death; `npm run kills` tries every one, and writes docs/kills.md. */
const TRIALS: Readonly<Record<string, readonly string[]>> = {
  SIGKILL: ['held mariadb', 'cut mariadb', 'stored mariadb mariadb.dump.sql'],
  'SIGSTOP, then SIGKILL': ['held mariadb'],
  'postgres killed': ['flushed mariadb'],
  'mariadb killed': ['resumed'],
  'store full': ['resumed'],
};

describe.skipIf(obstacle)(`two engines in one window${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`, () => {
  let arena: Arena;
  let moments: readonly string[];
  beforeAll(async () => {
    arena = await openArena({
      storage: 'one subvolume',
      durability: 'strict',
      methods: { postgres: 'snapshot', mariadb: 'dump' },
    });
    moments = await momentsOf(arena);
  });
  afterAll(async () => {
    await arena?.[Symbol.asyncDispose]();
  });

  const trials = Object.entries(TRIALS).flatMap(([name, at]) => at.map((moment) => [name, moment] as const));
  test.each(trials)(
    'CUT-7 %s at %s: writers go on in time, nothing half-made, the next run succeeds',
    async (name, at) => {
      expect(moments).toContain(at);
      const death = DEATHS.find((it) => it.name === name);
      if (!death) throw new Error(`there is no ${name}`);
      const trial = await tryDeath(arena, death, at);
      expect(trial.problems).toEqual([]);
    },
  );
});

describe.skipIf(obstacle)(`a snapshot that hangs${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`, () => {
  test('CUT-7 a snapshot that hangs inside the hold: the server ends the hold, the run fails, nothing of it is left', async () => {
    const methods = { postgres: 'snapshot', mariadb: 'dump' } as const;
    await using arena = await openArena({ hanging: true, storage: 'one subvolume', durability: 'strict', methods });
    expect((await arena.run(['backup', 'bank'])).code).toBe(0);
    const trial = await tryDeath(arena, snapshotHangs, 'held mariadb');
    expect(trial.problems).toEqual([]);
    expect(trial.ended).toBe('exit 7');
    // Writers had to wait for the server's own end of the hold: the snapshot did hang.
    expect(trial.waited.mariadb).toBeGreaterThan(HOLD_LIMIT / 2);
  });
});
