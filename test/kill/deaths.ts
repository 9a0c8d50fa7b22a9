import { existsSync } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import type { ServerName } from '../bank/schema.ts';
import { until } from '../support/containers.ts';
import { type Arena, HOLD_LIMIT } from './arena.ts';

/** A way in which things go wrong, at a moment that is given from outside. */
export interface Death {
  readonly name: string;
  /** Milliseconds within which the writers of these servers must go on. */
  readonly within: Readonly<Partial<Record<ServerName, number>>>;
  /** Whether the run itself dies of it. */
  readonly kills: boolean;
  /** No run can make its backup that has not made it before. */
  readonly fails?: true;
  /** Before the run. */
  arm?(arena: Arena): Promise<void>;
  strike(arena: Arena, pid: number): Promise<void>;
  /** After the writers went on, before `recover`: what was broken is mended, as an operator would. */
  mend(arena: Arena, pid: number): Promise<void>;
}

/** A local death frees everything at once. */
const LOCAL = 2_000;
/** Where only the server's own clock ends the hold. */
const BY_LIMIT = HOLD_LIMIT + 2_000;

/** A run that is stuck is for its own limits to end. */
const RUN_LIMIT = 120_000;

const ended = (pid: number): Promise<void> => until(async () => !existsSync(`/proc/${pid}`), RUN_LIMIT);

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (cause) {
    // It has ended by itself already.
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') throw cause;
  }
};

const killed: Death = {
  name: 'SIGKILL',
  within: { postgres: LOCAL, mariadb: LOCAL },
  kills: true,
  strike: async (_, pid) => signal(pid, 'SIGKILL'),
  mend: async () => undefined,
};

const stopped: Death = {
  name: 'SIGSTOP, then SIGKILL',
  within: { postgres: BY_LIMIT, mariadb: BY_LIMIT },
  kills: true,
  strike: async (_, pid) => signal(pid, 'SIGSTOP'),
  mend: async (_, pid) => {
    signal(pid, 'SIGKILL');
    // Its sessions end when the servers notice that nobody is there.
    await sleep(200);
  },
};

const serverKilled = (name: ServerName): Death => ({
  name: `${name} killed`,
  within: name === 'postgres' ? { mariadb: LOCAL } : { postgres: LOCAL },
  kills: false,
  strike: async ({ bank }) => {
    await new Docker().getContainer(bank[name].name).kill({ signal: 'SIGKILL' });
  },
  mend: async ({ bank, tickers }) => {
    await new Docker().getContainer(bank[name].name).start();
    await tickers[name].progress(60_000);
  },
});

const storeFull: Death = {
  name: 'store full',
  within: { postgres: LOCAL, mariadb: LOCAL },
  kills: false,
  fails: true,
  async strike({ store }, pid) {
    // The run must not get to its end while the store is being filled.
    signal(pid, 'SIGSTOP');
    const { bavail, bsize } = await statfs(store.path);
    await execa('fallocate', ['--length', `${bavail * bsize}`, join(store.path, 'ballast')]);
    signal(pid, 'SIGCONT');
  },
  async mend({ store }, pid) {
    await ended(pid);
    await rm(join(store.path, 'ballast'), { force: true });
  },
};

/** The containers live on; what the run had open through the daemon is gone. */
const daemonKilled: Death = {
  name: 'Docker daemon killed',
  within: { postgres: LOCAL, mariadb: LOCAL },
  kills: false,
  strike: async ({ daemon }) => daemon?.kill(),
  mend: async ({ daemon }) => daemon?.start(),
};

/** Only in an arena whose snapshots are cut by a program that hangs on demand, and only at the hold before the cut. */
export const snapshotHangs: Death = {
  name: 'snapshot hangs',
  within: { postgres: LOCAL, mariadb: BY_LIMIT },
  kills: false,
  arm: ({ folder }) => writeFile(join(folder, 'hang'), ''),
  strike: async () => undefined,
  mend: ({ folder }) => rm(join(folder, 'hang')),
};

export const DEATHS: readonly Death[] = [
  killed,
  stopped,
  serverKilled('postgres'),
  serverKilled('mariadb'),
  storeFull,
  daemonKilled,
];
