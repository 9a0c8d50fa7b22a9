/** A Docker to test with: the one that answers, or, on a bare Debian machine with root, one from Debian's packages. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import Docker from 'dockerode';
import {
  aptInstall,
  locked,
  logFile,
  message,
  run,
  say,
  seconds,
  succeeds,
  until,
  which,
  whyNoPackages,
} from './machine.ts';

export type Answer = { ok: true } | { ok: false; reason: string };

/** Why the daemon does not answer, or undefined when it does. */
const silence = async (): Promise<string | undefined> => {
  try {
    await new Docker({ timeout: 10_000 }).ping();
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return 'no Docker';
    if (code === 'ECONNREFUSED') return 'no Docker runs';
    if (code === 'EACCES') return "not allowed to use Docker's socket";
    return `Docker does not answer: ${message(error)}`;
  }
};

const answers = async (): Promise<boolean> => (await silence()) === undefined;

/**
 * A machine restored from an image has the pid files of daemons that ended with it, and by now other processes may
 * have those numbers; dockerd would then refuse to start ("pid file found").
 */
const dropStalePidFiles = async (): Promise<void> => {
  const files = [
    ['/var/run/docker.pid', 'dockerd'],
    ['/var/run/docker/containerd/containerd.pid', 'containerd'],
  ] as const;
  for (const [file, program] of files) {
    const pid = (await readFile(file, 'utf8').catch(() => '')).trim();
    if (!pid) continue;
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
    if (name !== program) await rm(file, { force: true });
  }
};

/** Starts the daemon so that it outlives this process and its terminal. */
const startDaemon = async (): Promise<void> => {
  if (existsSync('/run/systemd/system') && (await succeeds('systemctl', ['start', 'docker']))) {
    if (await until(60_000, answers)) return;
  }
  await dropStalePidFiles();
  const log = await logFile('dockerd');
  const program = await which('dockerd');
  if (!program) throw new Error('dockerd is not installed');
  const out = openSync(log, 'a');
  const daemon = spawn(program, [], { detached: true, stdio: ['ignore', out, out] });
  closeSync(out);
  let ended: string | undefined;
  daemon.once('error', (error) => {
    ended = message(error);
  });
  daemon.once('exit', (code, signal) => {
    ended = `it ended with ${signal ?? code}`;
  });
  daemon.unref();
  await until(60_000, async () => ended !== undefined || (await answers()));
  if (await answers()) return;
  const lines = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-3).join(' | ');
  throw new Error(`dockerd does not come up (${ended ?? 'no answer within a minute'}): ${lines} (${log})`);
};

const provide = async (): Promise<Answer> => {
  const reason = await silence();
  if (reason === undefined) return { ok: true };
  if (process.env.DOCKER_HOST) return { ok: false, reason: `${reason} at DOCKER_HOST=${process.env.DOCKER_HOST}` };
  const obstacle = await whyNoPackages();
  if (obstacle) return { ok: false, reason: `${reason}, and none can be installed: ${obstacle}` };
  try {
    return await locked('docker', async () => {
      if (await answers()) return { ok: true }; // another run was faster
      const started = performance.now();
      if (!(await which('dockerd'))) await aptInstall('docker.io', 'iptables');
      // From Debian 13 on the client is a package of its own, which docker.io only recommends.
      if (!(await which('docker'))) await aptInstall('docker-cli');
      // Its installation may have started it.
      if (!(await until(1_000, answers))) {
        say('starting dockerd');
        await startDaemon();
      }
      say(`Docker ${await run('docker', ['version', '--format', '{{.Server.Version}}'])} runs, in ${seconds(started)}`);
      return { ok: true };
    });
  } catch (error) {
    return { ok: false, reason: message(error) };
  }
};

let answer: Promise<Answer> | undefined;

/**
 * Sees to it that a Docker answers, and never throws: where there can be none it says why. A Docker that answers is
 * left as it is. Testcontainers' reaper comes as an image from a registry, so it is off unless pulling is asked for.
 */
export const ensureDocker = (): Promise<Answer> => {
  if (process.env.STILLPOINT_TEST_PULL !== '1') process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  answer ??= provide();
  return answer;
};
