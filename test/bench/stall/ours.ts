import { setTimeout as sleep } from 'node:timers/promises';
import { gather } from '../../../src/backup/gather.ts';
import { makePlan } from '../../../src/backup/plan.ts';
import { openAll, prepareAll } from '../../../src/backup/prepare.ts';
import type { Window } from '../../../src/backup/seen.ts';
import { openStorage } from '../../../src/backup/storage.ts';
import { cutTogether } from '../../../src/backup/window.ts';
import type { World } from '../../../src/backup/world.ts';
import { newId } from '../../../src/model/id.ts';
import { parseRef } from '../../../src/model/ref.ts';
import { Secret } from '../../../src/model/secret.ts';
import type { Put } from '../../../src/repositories/repository.ts';
import { makeWorld } from '../../support/world.ts';
import type { StallArena } from './arena.ts';
import { now, type Way } from './ways.ts';

/** Where the time of one window went, in milliseconds; of the source that took longest. */
export interface Parts {
  readonly acquire: number;
  readonly flush: number;
  readonly cut: number;
  readonly release: number;
}

/** Longer than the end of a span is looked at. */
const AFTERWARDS = 100;
const never = new AbortController().signal;
/** Only the window is measured: nothing is stored. */
const nowhere: Put = () => Promise.reject(new Error('the bench stores nothing'));

/** The product's own window over all servers; sessions, checkpoints and the file system's sync come before it, as they do in a run. */
export function ours(folder: string, parts: Parts[]): Way {
  return async (arena) => {
    const world = worldOf(arena, folder);
    const sources = arena.servers.map(({ name, container }) => ({
      name,
      ref: parseRef(`docker:${container}`),
      method: 'snapshot' as const,
    }));
    const gathered = await gather(world, {
      job: 'stall',
      sources,
      coordinate: true,
      holdLimit: 10_000,
      onOverrun: 'downgrade',
    });
    const plan = makePlan(gathered, newId());
    await using storage = await openStorage(world, plan);
    await using captures = await openAll(world, plan, gathered, nowhere, never);
    await prepareAll(captures);
    await storage.settle();
    const from = now();
    const window = await cutTogether(captures, storage, plan, {
      emit: () => undefined,
      protect: unguarded,
      signal: never,
    });
    const to = now();
    parts.push(partsOf(window));
    // A run reads its fingerprint now. Renaming a snapshot makes the next fsync a commit of the whole file system: not in the span.
    await sleep(AFTERWARDS);
    await storage.keep();
    storage.keptAs().forEach(arena.taken);
    return { from, to };
  };
}

const unguarded = async (): Promise<AsyncDisposable> => ({ [Symbol.asyncDispose]: async () => undefined });

function partsOf({ held, flushed, cut }: Window): Parts {
  const start = Math.min(...Object.values(held).map((it) => it.held.start));
  const flushes = Object.values(flushed);
  const cuts = Object.values(cut);
  const acquired = Math.min(...flushes.map((it) => it.start));
  const flushEnd = Math.max(...flushes.map((it) => it.end));
  const cutEnd = Math.max(...cuts.map((it) => it.end));
  const released = Math.max(...Object.values(held).map((it) => it.held.end));
  return {
    acquire: acquired - start,
    flush: flushEnd - acquired,
    cut: cutEnd - flushEnd,
    release: released - cutEnd,
  };
}

function worldOf(arena: StallArena, folder: string): World {
  return {
    ...makeWorld({ user: '', password: '', state: `${folder}/state`, scratch: `${folder}/scratch` }),
    async login({ name }) {
      const login = arena.servers.find((it) => it.name === name)?.login;
      if (!login) throw new Error(`no server ${name}`);
      return { user: login.user, password: new Secret(login.password) };
    },
  };
}
