import { readFile } from 'node:fs/promises';
import { gather } from '../../src/backup/gather.ts';
import { makePlan } from '../../src/backup/plan.ts';
import { runBackup } from '../../src/backup/run.ts';
import type { World } from '../../src/backup/world.ts';
import { thisRunner } from '../../src/hold/runner.ts';
import type { RunEvent } from '../../src/model/events.ts';
import type { Method } from '../../src/model/facts.ts';
import { newId } from '../../src/model/id.ts';
import type { Manifest } from '../../src/model/manifest.ts';
import { parseRef } from '../../src/model/ref.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import type { Embedded } from '../embedded/postgres.ts';
import { makeFolder } from './cli.ts';
import { makeWorld } from './world.ts';

/** An embedded server with everything around it that a backup needs, as functions. */
export interface Bench extends AsyncDisposable {
  readonly world: World;
  readonly repository: Repository;
  readonly events: RunEvent[];
  readonly path: (name: string) => string;
  /** For the command line. */
  readonly env: Readonly<Record<string, string>>;
  backup(options?: {
    onEvent?: (event: RunEvent) => void;
    onOverrun?: 'fail' | 'downgrade';
    holdLimit?: number;
    method?: Method;
  }): Promise<Manifest>;
}

export async function makeBench(server: Embedded): Promise<Bench> {
  const folder = await makeFolder();
  const events: RunEvent[] = [];
  let listener: ((event: RunEvent) => void) | undefined;
  const password = (await readFile(server.passwordFile, 'utf8')).trim();
  const world = makeWorld({
    user: server.user,
    password,
    state: folder.in('state'),
    scratch: folder.in('scratch'),
    emit: (event) => {
      events.push(event);
      listener?.(event);
    },
  });
  const repository = await openDirectoryRepository(folder.in('repository'), {
    create: true,
    runner: await thisRunner(),
  });
  return {
    world,
    repository,
    events,
    path: folder.in,
    env: {
      STILLPOINT_USER: server.user,
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
    },
    async backup({ onEvent, onOverrun = 'fail', holdLimit = 10_000, method } = {}) {
      listener = onEvent;
      const job = {
        job: 'pg',
        sources: [{ name: 'pg', ref: parseRef(server.url), ...(method === undefined ? {} : { method }) }],
        coordinate: true,
        holdLimit,
        onOverrun,
      };
      const gathered = await gather(world, job);
      return runBackup(world, makePlan(gathered, newId()), gathered, repository, new AbortController().signal);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
