import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Docker from 'dockerode';
import { execa } from 'execa';
import type { StallArena, StallServer } from './arena.ts';
import type { Span } from './writers.ts';

/** One way to get a snapshot of all servers; its span is what writers may notice, in milliseconds of the shared clock. */
export type Way = (arena: StallArena, run: number) => Promise<Span>;

export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

async function snapshot({ subvolume, taken }: StallArena, name: string): Promise<void> {
  const path = join(subvolume, '..', name);
  await execa('btrfs', ['subvolume', 'snapshot', '-r', subvolume, path]);
  taken(path);
}

/** The same writers, left alone. */
export const nothing: Way = async () => {
  const from = now();
  await new Promise((resolve) => setTimeout(resolve, 150));
  return { from, to: now() };
};

/** A pause may hang: on one btrfs, a task that waits for another's commit cannot be frozen while that one is. Seen here. */
const PAUSE_LIMIT = 20_000;

/** `docker pause` of all, in parallel: it flushes nothing and tells nobody. */
export const pause: Way = async (arena, run) => {
  const docker = new Docker();
  const containers = arena.servers.map(({ container }) => docker.getContainer(container));
  const from = now();
  const abortSignal = AbortSignal.timeout(PAUSE_LIMIT);
  const paused = await Promise.allSettled(containers.map((it) => it.pause({ abortSignal })));
  await snapshot(arena, `paused-${run}`);
  await Promise.allSettled(containers.map((it) => it.unpause()));
  const hung = paused.filter((it) => it.status === 'rejected').length;
  if (hung > 0) process.stderr.write(`docker pause hung for ${hung} of ${containers.length} containers\n`);
  return { from, to: now() };
};

const HOLD = {
  postgres: {
    argv: ['psql', '-U', 'postgres', '-d', 'bench', '-qAt'],
    hold: (tables: number) =>
      `BEGIN;\nLOCK TABLE ${Array.from({ length: tables }, (_, n) => `t${n + 1}`).join(', ')} IN SHARE MODE;\nSELECT 'held';\n`,
    release: 'COMMIT;\n\\q\n',
  },
  mariadb: {
    argv: ['mariadb', '-u', 'root', '-N', '-B', '-n', '--force'],
    hold: () => "BACKUP STAGE START;\nBACKUP STAGE BLOCK_COMMIT;\nSELECT 'held';\n",
    release: 'BACKUP STAGE END;\nexit\n',
  },
} as const;

/** What people write today: a client per server, opened and held one after the other, a snapshot, and all let go. */
export const script =
  (tables: number): Way =>
  async (arena, run) => {
    const from = now();
    const clients: { readonly child: ChildProcess; readonly server: StallServer }[] = [];
    for (const server of arena.servers) clients.push({ child: await held(server, tables), server });
    await snapshot(arena, `script-${run}`);
    for (const { child, server } of clients) {
      const ended = once(child, 'close');
      child.stdin?.end(HOLD[server.engine].release);
      await ended;
    }
    return { from, to: now() };
  };

async function held({ engine, container, login }: StallServer, tables: number): Promise<ChildProcess> {
  const { argv, hold } = HOLD[engine];
  const child = spawn('docker', ['exec', '-i', '-e', 'MYSQL_PWD', container, ...argv], {
    env: { ...process.env, MYSQL_PWD: login.password },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  child.stdin.write(hold(tables));
  for await (const line of lines) if (line === 'held') return child;
  throw new Error(`the client of ${container} ended before it held`);
}
