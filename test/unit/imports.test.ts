import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

/** The rules of the house (design.md), checked over the imports of every file in src. */

const ROOT = new URL('../../src/', import.meta.url);

interface Import {
  readonly from: string;
  /** A file of src, as `backup/run.ts`; else a package or a built-in. */
  readonly to: string;
  readonly kind: 'value' | 'type' | 'lazy';
}

const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((it) => it.endsWith('.ts'))
  .sort();
const textOf = (file: string): string => readFileSync(new URL(file, ROOT), 'utf8');
const imports = files.flatMap(importsOf);

function importsOf(from: string): readonly Import[] {
  const text = textOf(from);
  const to = (name: string): string => (name.startsWith('.') ? normalize(join(dirname(from), name)) : name);
  const fixed = text.matchAll(/^(?:import|export)\s(type\s)?(?:[^;'"]*?\sfrom\s)?'([^']+)';/gm);
  const lazy = text.matchAll(/\bimport\('([^']+)'\)/g);
  return [
    ...[...fixed].map(([, type, name = '']) => ({ from, to: to(name), kind: type ? 'type' : 'value' }) as const),
    ...[...lazy].map(([, name = '']) => ({ from, to: to(name), kind: 'lazy' }) as const),
  ];
}

const isOwn = (name: string): boolean => name.endsWith('.ts');
const isBuiltIn = (name: string): boolean => name.startsWith('node:');
const packageOf = (name: string): string => /^(@[^/]+\/[^/]+|[^/]+)/.exec(name)?.[0] ?? name;
const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : file);
const told = (all: readonly Import[]): readonly string[] => all.map((it) => `${it.from} -> ${it.to}`).sort();

/** Everything that is loaded when `file` is. */
function loadedBy(file: string): ReadonlySet<string> {
  const seen = new Set([file]);
  for (const at of seen) for (const it of imports) if (it.from === at && it.kind === 'value') seen.add(it.to);
  return seen;
}

/** Folders whose subfolders are implementations: each knows the files beside its folder, itself, and no other one. */
const CONCRETE = ['engines', 'runtimes', 'repositories', 'snapshots'];
/** Parts that several implementations share. */
const SHARED = ['repositories/codec'];

/** Which folder may import from which; a file of a contract counts as its folder. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  commands: ['commands', 'config', 'output', 'restore', 'backup', 'detect', 'hold', ...CONCRETE, 'model'],
  output: ['output', 'model'],
  config: ['config', 'backup', ...CONCRETE, 'model'],
  restore: ['restore', 'backup', 'hold', ...CONCRETE, 'model'],
  backup: ['backup', 'detect', 'hold', ...CONCRETE, 'model'],
  detect: ['detect', ...CONCRETE, 'model'],
  hold: ['hold', 'backup', ...CONCRETE, 'model'],
  engines: [...CONCRETE, 'model'],
  runtimes: [...CONCRETE, 'model'],
  snapshots: [...CONCRETE, 'model'],
  repositories: [...CONCRETE, 'hold', 'model'],
  model: ['model'],
};

/** Who may import a package. One owner each; schemas are written where their documents are. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  commander: ['commands/program.ts'],
  'fastest-levenshtein': ['config/explain.ts'],
  yaml: ['config/yaml.ts', 'engines/load.ts'],
  zod: ['config/', 'engines/recipe.ts', 'output/schema/'],
  pg: ['engines/postgresql/session.ts'],
  'tar-stream': ['runtimes/', 'engines/mariadb/', 'engines/postgresql/'],
  'age-encryption': ['repositories/'],
  dockerode: ['runtimes/docker/'],
  mysql2: ['engines/mariadb/'],
};

/** The environment is read by cli.ts, but for what a library or a child reads of it by itself and must not be told otherwise. */
const READS_ENVIRONMENT: Readonly<Record<string, RegExp>> = {
  'cli.ts': /process\.env\b/,
  'runtimes/host/exec.ts': /process\.env\.PATH\b/,
  'snapshots/program.ts': /process\.env\.PATH\b/,
  'runtimes/docker/dial.ts': /process\.env\.DOCKER_HOST\b/,
  'runtimes/docker/leftovers.ts': /process\.env\.DOCKER_HOST\b/,
};

describe('START-1: imports', () => {
  test('none is overlooked', () => {
    const lines = files.flatMap(
      (it) => textOf(it).match(/^(import\b(?!\().*'|\} from '.*'|export .* from '.*');$/gm) ?? [],
    );
    expect(imports.filter((it) => it.kind !== 'lazy').length).toBe(lines.length);
  });

  test('every relative import names a file that exists, with its ending', () => {
    expect(told(imports.filter((it) => isOwn(it.to) && !files.includes(it.to)))).toEqual([]);
    expect(told(imports.filter((it) => !isOwn(it.to) && /^\.|\.js$/.test(it.to)))).toEqual([]);
  });

  test('cli -> commands -> backup|restore -> contracts, never the other way', () => {
    const bad = imports.filter((it) => {
      if (!isOwn(it.to) || it.from === 'cli.ts') return false;
      return !LAYERS[folderOf(it.from)]?.includes(folderOf(it.to));
    });
    expect(told(bad)).toEqual([]);
  });

  test('only cli.ts knows the registries and concrete implementations', () => {
    const isRegistry = (file: string): boolean =>
      /\/(registry|load)\.ts$/.test(file) && CONCRETE.includes(folderOf(file));
    const bad = imports.filter((it) => {
      const [folder = '', sub, file] = it.to.split('/');
      if (!isOwn(it.to) || it.from === 'cli.ts' || !CONCRETE.includes(folder)) return false;
      if (isRegistry(it.to)) return it.kind !== 'type';
      if (file === undefined || SHARED.includes(`${folder}/${sub}`)) return false;
      return !it.from.startsWith(`${folder}/${sub}/`) && !isRegistry(it.from);
    });
    expect(told(bad)).toEqual([]);
  });

  test('registries import implementations lazily', () => {
    const bad = imports.filter((it) => it.from.endsWith('/registry.ts') && it.to.split('/').length > 2);
    expect(told(bad.filter((it) => it.kind === 'value'))).toEqual([]);
    expect(bad.filter((it) => it.kind === 'lazy').length).toBeGreaterThan(0);
  });

  test('one owner for each package', () => {
    const used = imports.filter((it) => !isOwn(it.to) && !isBuiltIn(it.to));
    const bad = used.filter((it) => !OWNERS[packageOf(it.to)]?.some((owner) => it.from.startsWith(owner)));
    expect(told(bad)).toEqual([]);
  });

  test('built-in modules are imported by their node: names', () => {
    const bare = ['fs', 'path', 'os', 'net', 'child_process', 'stream', 'crypto', 'util', 'events', 'zlib', 'tty'];
    expect(told(imports.filter((it) => bare.includes(packageOf(it.to))))).toEqual([]);
  });

  test('no file imports itself by way of others', () => {
    const bad = files.filter((file) =>
      imports.some((it) => it.from === file && it.kind === 'value' && isOwn(it.to) && loadedBy(it.to).has(file)),
    );
    expect(bad).toEqual([]);
  });

  test('no two folders import values from each other', () => {
    const values = imports.filter((it) => it.kind === 'value' && isOwn(it.to) && folderOf(it.from) !== folderOf(it.to));
    const between = new Set(values.map((it) => `${folderOf(it.from)} -> ${folderOf(it.to)}`));
    const bad = values.filter((it) => between.has(`${folderOf(it.to)} -> ${folderOf(it.from)}`));
    expect(told(bad)).toEqual([]);
  });

  test('plan.ts and claim.ts do no I/O: nothing that they load can', () => {
    const pure = ['node:util', 'node:crypto', 'zod'];
    for (const file of ['backup/plan.ts', 'backup/claim.ts']) {
      const outside = [...loadedBy(file)].filter((it) => !isOwn(it));
      expect(outside.filter((it) => !pure.includes(it))).toEqual([]);
    }
  });

  test('the model is nouns: it imports no package, and of Node only what computes', () => {
    const outside = imports.filter((it) => it.from.startsWith('model/') && !isOwn(it.to));
    expect(told(outside.filter((it) => !['node:util', 'node:crypto'].includes(it.to)))).toEqual([]);
  });

  test('what loads before a verb is known is small: --version must be fast', () => {
    const outside = [...loadedBy('cli.ts')].filter((it) => !isOwn(it) && !isBuiltIn(it));
    expect(outside.map(packageOf).sort()).toEqual(['commander', 'fastest-levenshtein']);
  });

  test('only src/output writes to stdout and stderr', () => {
    const bad = files.filter(
      (it) => !it.startsWith('output/') && /\bconsole\.\w+\(|\bprocess\.std(out|err)\.(write|columns)/.test(textOf(it)),
    );
    expect(bad).toEqual([]);
  });

  test('only cli.ts reads the environment and argv, and ends the process', () => {
    const reads = files.filter((it) => {
      const all = textOf(it).match(/process\.env\b\S*/g) ?? [];
      return all.some((one) => !READS_ENVIRONMENT[it]?.test(one));
    });
    expect(reads).toEqual([]);
    const rest = files.filter((it) => /process\.(argv\b|exit\(|exitCode\b)/.test(textOf(it)));
    expect(rest).toEqual(['cli.ts']);
  });

  test('no shell: no program is started through one', () => {
    const starters = imports.filter((it) => ['node:child_process', 'execa'].includes(it.to)).map((it) => it.from);
    const bad = starters.filter((it) => /\bshell:\s*true|\bexec(Sync)?\('|\bexeca\.command|\$`/.test(textOf(it)));
    expect(bad).toEqual([]);
  });
});
