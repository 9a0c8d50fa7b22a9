/** What the test environment knows of and does to the machine it runs on: who we are, apt, locks, one line of log. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, mkdir, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExecaError, execa } from 'execa';

/** `sbin` is where mkfs, losetup, debootstrap and dockerd are, and is not on everyone's PATH. */
const path = [process.env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter(Boolean).join(':');

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Locks, logs and half-built roots; one folder per user, since root's cannot be written by others. */
export const stateDirectory = isRoot()
  ? '/var/lib/stillpoint-test'
  : join(tmpdir(), `stillpoint-test-${process.getuid?.() ?? 'user'}`);

/** One short line on stderr: the tests' own output stays clean. */
export const say = (line: string): void => {
  process.stderr.write(`environment: ${line}\n`);
};

export const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

export const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Where a command's output goes when nobody asked for it: read only when it failed. */
export const logFile = async (name: string): Promise<string> => {
  const directory = join(stateDirectory, 'logs');
  await mkdir(directory, { recursive: true });
  return join(directory, `${name}.log`);
};

const tail = (text: string, lines = 12): string => text.trimEnd().split('\n').slice(-lines).join('\n');

export interface RunOptions {
  /** Append the output to this file instead of keeping it. */
  log?: string;
  env?: Record<string, string>;
}

/** Runs a command to its end and gives its stdout; a failure carries the last lines it printed. */
export const run = async (file: string, args: readonly string[], options: RunOptions = {}): Promise<string> => {
  const common = { stdin: 'ignore', env: { ...options.env, PATH: path } } as const;
  try {
    if (options.log) {
      const out = { file: options.log, append: true };
      await execa(file, args, { ...common, stdout: out, stderr: out });
      return '';
    }
    return (await execa(file, args, common)).stdout;
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    const output = options.log ? await readFile(options.log, 'utf8').catch(() => '') : (error.stderr ?? '');
    throw new Error(
      `${error.shortMessage}${output ? `\n${tail(output)}` : ''}${options.log ? `\n(${options.log})` : ''}`,
    );
  }
};

export const succeeds = (file: string, args: readonly string[]): Promise<boolean> =>
  run(file, args).then(
    () => true,
    () => false,
  );

/** The full path of a program, or undefined. */
export const which = async (program: string): Promise<string | undefined> => {
  for (const folder of path.split(':')) {
    const candidate = join(folder, program);
    if (
      await access(candidate, 1).then(
        () => true,
        () => false,
      )
    )
      return candidate; // 1 = X_OK
  }
  return undefined;
};

/**
 * Does `work` while nobody else on this machine does work under the same name, this process included. The lock is the
 * kernel's (flock on a file, held by a child that lives as long as its stdin), so a killed run leaves none behind.
 */
export const locked = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
  await mkdir(stateDirectory, { recursive: true });
  if (!(await which('flock'))) return work(); // not Linux: nothing that needs the lock is done there either
  const holder = execa('flock', ['--close', join(stateDirectory, `${name}.lock`), 'cat'], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    reject: false,
    buffer: false,
    env: { PATH: path },
  });
  const waiting = setTimeout(() => say(`waiting for another run to finish with ${name}`), 2_000);
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve()); // cat echoes only once it runs, and it runs only under the lock
      holder.nodeChildProcess.once('exit', () =>
        reject(new Error(`flock could not take ${name}.lock in ${stateDirectory}`)),
      );
      holder.stdin.write('\n');
    });
  } finally {
    clearTimeout(waiting);
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await holder;
  }
};

const osRelease = async (): Promise<Record<string, string>> => {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const fields: Record<string, string> = {};
  for (const [, key, value] of text.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)) if (key) fields[key] = value ?? '';
  return fields;
};

/** Why packages cannot be installed on this machine, or undefined when they can. */
export const whyNoPackages = async (): Promise<string | undefined> => {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Debian`;
  const { ID: id = 'unknown', PRETTY_NAME: name = id } = await osRelease();
  if (id !== 'debian') return `this is ${name}, not Debian`;
  if (!isRoot()) return 'not root';
  return undefined;
};

/** The command that tells one field of a package, as dpkg knows it. */
export const dpkgField = (field: 'Status' | 'Version', name: string): string[] => [
  'dpkg-query',
  '--show',
  `--showformat=\${${field}}`,
  name,
];

const installed = async (name: string): Promise<boolean> => {
  const [program = '', ...args] = dpkgField('Status', name);
  return (await run(program, args).catch(() => '')) === 'install ok installed';
};

/** Installs what is missing of these packages; refreshes apt's lists only when the ones on disk do not do. */
export const aptInstall = async (...packages: string[]): Promise<void> => {
  const missing: string[] = [];
  for (const name of packages) if (!(await installed(name))) missing.push(name);
  if (missing.length === 0) return;
  const reason = await whyNoPackages();
  if (reason) throw new Error(`cannot install ${missing.join(', ')}: ${reason}`);
  await locked('apt', async () => {
    const log = await logFile('apt');
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const install = () =>
      run(
        'apt-get',
        ['-o', 'DPkg::Lock::Timeout=300', 'install', '--yes', '--no-install-recommends', '--', ...missing],
        { log, env },
      );
    say(`apt-get install ${missing.join(' ')}`);
    const started = performance.now();
    try {
      await install();
    } catch {
      say('apt-get update, and again');
      await run('apt-get', ['update'], { log, env }).catch(() => {}); // a third-party source may fail: install decides
      await install();
    }
    say(`installed ${missing.join(' ')} in ${seconds(started)}`);
  });
};

/**
 * The Debian mirror this machine is configured with: the source that carries the machine's own release's main
 * component. Read from apt's lists, so that no host is named here and a machine with its own mirror uses it.
 */
export const debianMirror = async (root = '/etc/apt'): Promise<string | undefined> => {
  const { VERSION_CODENAME: release = '' } = await osRelease();
  const wanted = (suites: string[], components: string[]) =>
    components.includes('main') && suites.some((suite) => [release, 'stable', 'oldstable', 'sid'].includes(suite));
  const folder = join(root, 'sources.list.d');
  const names = (await readdir(folder).catch(() => [])).sort().map((name) => join(folder, name));
  for (const name of [join(root, 'sources.list'), ...names].filter((name) => existsSync(name))) {
    const text = (await readFile(name, 'utf8')).replaceAll(/^#.*\n?/gm, '');
    const candidates: { uris: string[]; suites: string[]; components: string[] }[] = [];
    if (name.endsWith('.sources')) {
      for (const stanza of text.split(/\n\s*\n/)) {
        const field = (key: string) =>
          new RegExp(`^${key}:[ \\t]*(.*(?:\\n[ \\t]+.*)*)`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
        if (/^no$/i.test(field('Enabled')[0] ?? '') || !field('Types').includes('deb')) continue;
        candidates.push({ uris: field('URIs'), suites: field('Suites'), components: field('Components') });
      }
    } else if (name.endsWith('.list')) {
      for (const [, uri = '', suite = '', rest = ''] of text.matchAll(
        /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)(.*)$/gm,
      )) {
        candidates.push({ uris: [uri], suites: [suite], components: rest.trim().split(/\s+/) });
      }
    }
    for (const { uris, suites, components } of candidates) {
      const uri = uris.find((uri) => /^https?:/.test(uri));
      if (uri && wanted(suites, components)) return uri.replace(/\/$/, '');
    }
  }
  return undefined;
};

/** A hash of a folder's files (names and contents) and of whatever else decides what is made of them. */
export const hashOf = async (folder: string | undefined, ...rest: string[]): Promise<string> => {
  const hash = createHash('sha256');
  if (folder) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.sort()) {
      hash.update(`${file.slice(folder.length)}\0`);
      hash.update(await readFile(file));
    }
  }
  for (const part of rest) hash.update(`\0${part}`);
  return hash.digest('hex').slice(0, 16);
};

/** Asks again and again until it is so, or the time is over. */
export const until = async (milliseconds: number, ask: () => Promise<boolean>): Promise<boolean> => {
  const end = performance.now() + milliseconds;
  for (;;) {
    if (await ask()) return true;
    if (performance.now() > end) return false;
    await sleep(200);
  }
};
