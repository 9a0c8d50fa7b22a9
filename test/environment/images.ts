/**
 * Images to test with, built from Debian's packages on a machine that reaches no image registry. They stand in for the
 * official ones and behave like them, so a test is written as if it ran on those; the Dockerfiles are in test/images.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDocker } from './docker.ts';
import {
  aptInstall,
  debianMirror,
  dpkgField,
  hashOf,
  locked,
  logFile,
  message,
  run,
  say,
  seconds,
  stateDirectory,
  succeeds,
  which,
  whyNoPackages,
} from './machine.ts';

type Suite = 'bullseye' | 'bookworm' | 'trixie' | 'sid';

interface Spec {
  /** The folder in test/images. */
  context: 'postgres' | 'mariadb' | 'busybox-postgres' | 'client' | 'idle';
  tag: string;
  /** The image it stands in for, used itself when pulling is asked for and possible. */
  official?: string;
  base: Suite | 'postgres-15';
  args?: Record<string, string>;
  /** The build argument that gets the installed version of a package; in a stage `packages` or in the base. */
  version?: { argument: string; package: string; stage?: 'packages' };
  /** Where the data are; a test that mounts something there reads it from here. */
  dataDirectory?: string;
}

const postgres = (major: number, base: Suite): Spec => {
  // From 18 on the official image keeps one folder per major version, and the volume is the folder above.
  const dataDirectory = major < 18 ? '/var/lib/postgresql/data' : `/var/lib/postgresql/${major}/docker`;
  return {
    context: 'postgres',
    tag: `stillpoint-test/postgres:${major}`,
    official: `postgres:${major}`,
    base,
    args: {
      PG_MAJOR: `${major}`,
      PGDATA: dataDirectory,
      PGVOLUME: major < 18 ? dataDirectory : '/var/lib/postgresql',
    },
    version: { argument: 'PG_VERSION', package: `postgresql-${major}`, stage: 'packages' },
    dataDirectory,
  };
};

const mariadb = (version: string, base: Suite): Spec => ({
  context: 'mariadb',
  tag: `stillpoint-test/mariadb:${version}`,
  official: `mariadb:${version}`,
  base,
  version: { argument: 'MARIADB_VERSION', package: 'mariadb-server', stage: 'packages' },
  dataDirectory: '/var/lib/mysql',
});

const table = {
  'postgres-13': postgres(13, 'bullseye'),
  'postgres-15': postgres(15, 'bookworm'),
  'postgres-17': postgres(17, 'trixie'),
  'postgres-18': postgres(18, 'sid'),
  'mariadb-10.5': mariadb('10.5', 'bullseye'),
  'mariadb-10.11': mariadb('10.11', 'bookworm'),
  'mariadb-11.8': mariadb('11.8', 'trixie'),
  'busybox-postgres-15': {
    context: 'busybox-postgres',
    tag: 'stillpoint-test/busybox-postgres:15',
    base: 'postgres-15',
    args: { PG_MAJOR: '15' },
    version: { argument: 'PG_VERSION', package: 'postgresql-15' },
    dataDirectory: '/var/lib/postgresql/data',
  },
  'client-15': { context: 'client', tag: 'stillpoint-test/client:15', base: 'postgres-15' },
  idle: { context: 'idle', tag: 'stillpoint-test/idle:1', base: 'bookworm' },
} satisfies Record<string, Spec>;

export type ImageName = keyof typeof table;

export const images: Readonly<Record<ImageName, Readonly<Spec>>> = table;

export const imageNames = Object.keys(table) as ImageName[];

/** This machine cannot have the image, and no fault of the image's: no Docker, not root, not Debian. */
export class ImageUnavailable extends Error {
  override name = 'ImageUnavailable';
}

const folder = join(import.meta.dirname, '..', 'images');

const label = 'stillpoint-test.hash';

const docker = (args: readonly string[], log?: string): Promise<string> => run('docker', args, log ? { log } : {});

/** The hash an image on this machine was built from; '' for one of another origin, undefined for none. */
const builtFrom = (tag: string): Promise<string | undefined> =>
  docker(['image', 'inspect', '--format', `{{with .Config.Labels}}{{index . "${label}"}}{{end}}`, tag]).catch(
    () => undefined,
  );

const pulled = async (tag: string): Promise<boolean> => {
  if (process.env.STILLPOINT_TEST_PULL !== '1') return false;
  if ((await builtFrom(tag)) !== undefined) return true;
  say(`docker pull ${tag}`);
  return succeeds('docker', ['pull', tag]);
};

/** One at a time in this process and, by the lock, on this machine; and once only while the process lives. */
const once = new Map<string, Promise<string>>();

const ensured = (tag: string, hash: string, build: () => Promise<void>): Promise<string> => {
  const known = once.get(tag);
  if (known) return known;
  const making = (async () => {
    if ((await builtFrom(tag)) === hash) return tag;
    return locked(`image-${tag.replaceAll(/[^\w.-]/g, '-')}`, async () => {
      if ((await builtFrom(tag)) === hash) return tag; // another run was faster
      say(`building ${tag}`);
      const started = performance.now();
      await build();
      say(`built ${tag} in ${seconds(started)}`);
      return tag;
    });
  })();
  once.set(tag, making);
  making.catch(() => once.delete(tag));
  return making;
};

/** What every base image is told: machines' clocks and snapshots of mirrors do not agree on what is still valid. */
const settings: Record<string, string> = {
  'etc/apt/apt.conf.d/90stillpoint-test': [
    'Acquire::Check-Valid-Until "false";',
    'Acquire::Check-Date "false";',
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
    'Dir::Cache::pkgcache "";',
    'Dir::Cache::srcpkgcache "";',
    'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };',
    '',
  ].join('\n'),
  'etc/dpkg/dpkg.cfg.d/90stillpoint-test': 'force-unsafe-io\npath-exclude=/usr/share/doc/*\n',
  'usr/sbin/policy-rc.d': '#!/bin/sh\nexit 101\n',
};

const recipe = JSON.stringify(settings);

const baseHash = (suite: Suite): Promise<string> => hashOf(undefined, recipe, suite);

/** Removes a folder that may have something mounted inside, after a bootstrap that was cut short. */
const removeRoot = async (folder: string): Promise<void> => {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.filter((mount) => mount.startsWith(`${folder}/`)).reverse()) {
    await run('umount', ['--lazy', mount]);
  }
  await rm(folder, { recursive: true, force: true });
};

const bootstrap = async (suite: Suite, tag: string): Promise<void> => {
  const obstacle = await whyNoPackages();
  if (obstacle) throw new ImageUnavailable(`cannot build ${tag}: ${obstacle}`);
  const mirror = await debianMirror();
  if (!mirror) throw new ImageUnavailable(`cannot build ${tag}: no Debian mirror in apt's sources`);
  await aptInstall('debootstrap', 'debian-archive-keyring', 'tar');
  await mkdir(stateDirectory, { recursive: true });
  // We hold the image's lock, so whatever is there was left by a run that was killed.
  for (const name of await readdir(stateDirectory)) {
    if (name.startsWith(`base-${suite}-`)) await removeRoot(join(stateDirectory, name));
  }
  const work = await mkdtemp(join(stateDirectory, `base-${suite}-`));
  const root = join(work, 'root');
  try {
    const extra = mirror.startsWith('https:') ? ['--include=ca-certificates'] : [];
    const log = await logFile(`base-${suite}`);
    await run('debootstrap', ['--variant=minbase', ...extra, suite, root, mirror], { log });
    await rm(join(root, 'var/lib/apt/lists'), { recursive: true, force: true });
    await rm(join(root, 'var/cache/apt/archives'), { recursive: true, force: true });
    await rm(join(root, 'var/log/bootstrap.log'), { force: true });
    for (const [file, text] of Object.entries(settings)) {
      await writeFile(join(root, file), text, { mode: file.endsWith('.d') ? 0o755 : 0o644 });
    }
    const archive = join(work, 'root.tar');
    await run('tar', ['--create', '--one-file-system', `--file=${archive}`, `--directory=${root}`, '.']);
    const changes = [`LABEL ${label}=${await baseHash(suite)}`, 'CMD ["bash"]'];
    await docker(['import', ...changes.flatMap((change) => ['--change', change]), archive, tag]);
  } finally {
    await removeRoot(work);
  }
};

const base = async (suite: Suite): Promise<string> => {
  const official = `debian:${suite}-slim`;
  if (await pulled(official)) return official;
  const tag = `stillpoint-test/base:${suite}`;
  return ensured(tag, await baseHash(suite), () => bootstrap(suite, tag));
};

/** It reaches into what the base is made from, so that a change there is a change here. */
const hashOfImage = async ({ context, base, args = {} }: Spec): Promise<string> =>
  hashOf(
    join(folder, context),
    JSON.stringify(args),
    base === 'postgres-15' ? await hashOfImage(table[base]) : await baseHash(base),
  );

const buildImage = async (spec: Spec, hash: string): Promise<void> => {
  const from = spec.base === 'postgres-15' ? await make(spec.base) : await base(spec.base);
  const args: Record<string, string> = { BASE: from, ...spec.args };
  const log = await logFile(`image-${spec.tag.replaceAll(/[^\w.-]/g, '-')}`);
  for (const proxy of ['http_proxy', 'https_proxy', 'no_proxy']) {
    const value = process.env[proxy];
    if (value) args[proxy] = value;
  }
  const build = (...options: string[]): Promise<string> => {
    const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
    return docker(['build', '--network=host', '--force-rm', ...given, ...options, join(folder, spec.context)], log);
  };
  if (spec.version) {
    const { argument, package: name, stage } = spec.version;
    let source = from;
    if (stage) {
      source = `${spec.tag}-${stage}`;
      await build('--target', stage, '--tag', source);
    }
    const query = dpkgField('Version', name);
    args[argument] = await docker(['run', '--rm', '--network=none', '--entrypoint=', source, ...query]);
  }
  await build('--label', `${label}=${hash}`, '--tag', spec.tag);
  // The tag only served to ask for the version; what it names lives on below the image.
  if (spec.version?.stage) await docker(['image', 'rm', '--no-prune', `${spec.tag}-${spec.version.stage}`]);
};

const make = async (name: ImageName): Promise<string> => {
  const spec: Spec = table[name];
  if (spec.official && (await pulled(spec.official))) return spec.official;
  const hash = await hashOfImage(spec);
  return ensured(spec.tag, hash, () => buildImage(spec, hash));
};

/** Gives the tag of an image that exists on this machine; builds it first, and its base, if need be. */
export const image = async (name: ImageName): Promise<string> => {
  const answer = await ensureDocker();
  if (!answer.ok) throw new ImageUnavailable(answer.reason);
  if (!(await which('docker'))) throw new ImageUnavailable('no docker client on the PATH');
  if (!existsSync(folder)) throw new ImageUnavailable(`no ${folder}`);
  return make(name);
};

/** The same for `describe.skipIf`: where there can be no image it gives the reason; a failed build still throws. */
export const tryImage = async (name: ImageName): Promise<{ ok: true; tag: string } | { ok: false; reason: string }> => {
  try {
    return { ok: true, tag: await image(name) };
  } catch (error) {
    if (error instanceof ImageUnavailable) return { ok: false, reason: message(error) };
    throw error;
  }
};
