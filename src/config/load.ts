import { access, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf, StillpointError } from '../model/errors.ts';
import { explain, type Mistake } from './explain.ts';
import { crossCheck } from './rules.ts';
import { type ConfigData, configJsonSchema, configSchema } from './schema.ts';
import { readYaml } from './yaml.ts';

/** A configuration that was read and found valid. */
export interface Config {
  /** The file, for messages and as the root of relative paths. */
  readonly path: string;
  readonly data: ConfigData;
}

const PLACES = ['stillpoint.yaml', '/etc/stillpoint/stillpoint.yaml'];

/** The configuration: the named file, or the first that exists, or none. Throws `config-missing`, `config-invalid`. */
export async function loadConfig(named: string | undefined, folder: string): Promise<Config | undefined> {
  const path = named === undefined ? await firstOf(PLACES.map((it) => resolve(folder, it))) : resolve(folder, named);
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(cause)}`;
    throw new StillpointError('config-missing', `The configuration ${path} ${why}.`, { cause });
  });
  return { path, data: parseConfig(text, path) };
}

/** Pure. Throws `config-invalid` with every mistake and its line. */
export function parseConfig(text: string, path: string): ConfigData {
  const yaml = readYaml(text);
  if (yaml.faults.length > 0) throw invalid(path, yaml.faults);
  const parsed = configSchema.safeParse(yaml.value ?? {});
  if (!parsed.success) throw invalid(path, explain(parsed.error.issues, yaml, configJsonSchema()));
  const mistakes = crossCheck(parsed.data)
    .map(({ path: at, text: why }) => ({ line: yaml.line(at), text: why }))
    .toSorted((a, b) => a.line - b.line);
  if (mistakes.length > 0) throw invalid(path, mistakes);
  return parsed.data;
}

const invalid = (path: string, mistakes: readonly Mistake[]): StillpointError =>
  new StillpointError(
    'config-invalid',
    mistakes.length === 1
      ? `${path}, line ${mistakes[0]?.line}: ${mistakes[0]?.text}.`.replace(/\?\.$/, '?')
      : [`${path} has ${mistakes.length} mistakes:`, ...mistakes.map((it) => `line ${it.line}: ${it.text}`)].join('\n'),
  );

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
    );
    if (there) return path;
  }
  return undefined;
}
