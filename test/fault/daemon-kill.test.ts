import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';
import { type Arena, openArena } from '../kill/arena.ts';
import { type Daemon, startDaemon } from '../kill/daemon.ts';
import { DEATHS } from '../kill/deaths.ts';
import { tryDeath } from '../kill/trial.ts';
import { isRoot } from './mounts.ts';

const found = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const obstacle = found && !found.ok ? found.reason : isRoot ? undefined : 'not root';

describe.skipIf(obstacle)(`a Docker of its own${obstacle === undefined ? '' : ` (skipped: ${obstacle})`}`, () => {
  let daemon: Daemon;
  let arena: Arena;
  beforeAll(async () => {
    daemon = await startDaemon(['postgres-15', 'mariadb-10.11']);
    // Testcontainers, docker and the command line all go by this.
    process.env.DOCKER_HOST = daemon.host;
    const methods = { postgres: 'dump', mariadb: 'dump' } as const;
    arena = await openArena({ daemon, storage: 'volumes', durability: 'strict', methods });
  }, 240_000);
  afterAll(async () => {
    await arena?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  test('CUT-7 the Docker daemon killed inside the hold: writers go on in time, nothing half-made, the next run succeeds', async () => {
    const death = DEATHS.find((it) => it.name === 'Docker daemon killed');
    if (!death) throw new Error('there is no such death');
    const trial = await tryDeath(arena, death, 'held mariadb');
    expect(trial.problems).toEqual([]);
  });
});
