import { access, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf, StillpointError } from '../model/errors.ts';
import type { ConfigData } from './schema.ts';

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
  // Not before there is something to read: the schema and the parser take longer to load than most commands run.
  const { parseConfig } = await import('./parse.ts');
  return { path, data: parseConfig(text, path) };
}

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
