import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { execa } from 'execa';
import { mountsOf } from '../../src/runtimes/mounts.ts';
import { type ImageName, image } from '../environment/images.ts';

/** A Docker daemon of our own, beside the machine's: one that may be killed. Its containers outlive it (live-restore). */
export interface Daemon extends AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly host: string;
  kill(): Promise<void>;
  start(): Promise<void>;
}

const START_LIMIT = 60_000;

/** A container may outlive the daemon that was to remove it, with the shim that its control group hangs on. */
async function endShims(folder: string): Promise<void> {
  const { stdout } = await execa('ps', ['-eo', 'pid=,ppid=,args=']);
  const all = stdout.split('\n').map((it) => /^ *(\d+) +(\d+) (.*)$/.exec(it) ?? []);
  const shims = all.filter(([, , , args = '']) => args.includes('containerd-shim') && args.includes(folder));
  const pids = shims.flatMap(([, pid]) => [pid, ...all.filter(([, , parent]) => parent === pid).map((it) => it[1])]);
  if (pids.length > 0) await execa('kill', ['-KILL', ...pids.filter((it) => it !== undefined)], { reject: false });
}

/** The deepest first. */
async function mountsBelow(folder: string): Promise<readonly string[]> {
  const points = (await mountsOf('self')).map((it) => it.point);
  return points.filter((it) => it.startsWith(`${folder}/`)).toReversed();
}

export async function startDaemon(images: readonly ImageName[]): Promise<Daemon> {
  const tags = await Promise.all(images.map((it) => image(it)));
  const folder = await mkdtemp('/var/tmp/stillpoint-daemon-');
  const bridge = `still${process.pid % 100_000}`;
  const subnet = `172.${20 + (process.pid % 10)}.${process.pid % 250}.1/24`;
  await execa('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await execa('ip', ['address', 'add', subnet, 'dev', bridge]);
  await execa('ip', ['link', 'set', bridge, 'up']);
  const socket = join(folder, 'docker.sock');
  const args = [
    `--host=unix://${socket}`,
    `--data-root=${join(folder, 'data')}`,
    `--exec-root=${join(folder, 'exec')}`,
    `--pidfile=${join(folder, 'docker.pid')}`,
    `--bridge=${bridge}`,
    '--live-restore',
  ];
  let child: ChildProcess | undefined;
  const endContainerd = async (signal: 'KILL' | 'TERM'): Promise<void> => {
    const pid = await readFile(join(folder, 'exec', 'containerd', 'containerd.pid'), 'utf8').catch(() => '');
    if (pid === '') return;
    await execa('kill', [`-${signal}`, pid.trim()], { reject: false });
    while (existsSync(`/proc/${pid.trim()}`)) await sleep(20);
  };
  const daemon: Daemon = {
    host: `unix://${socket}`,
    async start() {
      const log = openSync(join(folder, 'log'), 'a');
      child = spawn('dockerd', args, { stdio: ['ignore', log, log] });
      closeSync(log);
      const end = performance.now() + START_LIMIT;
      const docker = new Docker({ socketPath: socket });
      while (!(await docker.ping().catch(() => undefined))) {
        if (child.exitCode !== null || performance.now() > end) {
          throw new Error(`the daemon does not come up: ${await readFile(join(folder, 'log'), 'utf8')}`);
        }
        await sleep(100);
      }
    },
    async kill() {
      if (!child) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      // Were it alive still, the next daemon's would wait for its lock for ever.
      await endContainerd('KILL');
    },
    async [Symbol.asyncDispose]() {
      if (child && child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
      // With live-restore it may outlive the daemon.
      await endContainerd('TERM');
      await execa('ip', ['link', 'delete', bridge]);
      await endShims(folder);
      // It mounts its folder on itself, so that mounts below it stay private; a container that outlived it has more.
      for (const mount of await mountsBelow(folder)) await execa('umount', ['--lazy', mount], { reject: false });
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    await daemon.start();
    // Never in memory: they are half a gigabyte each.
    const unheard = { buffer: false, stdout: 'pipe' } as const;
    await execa('docker', ['save', ...tags], unheard).pipe(
      'docker',
      ['--host', daemon.host, 'load', '--quiet'],
      unheard,
    );
    return daemon;
  } catch (cause) {
    await daemon[Symbol.asyncDispose]();
    throw cause;
  }
}
