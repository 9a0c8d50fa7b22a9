import { basename, dirname } from 'node:path';
import { Secret } from '../../model/secret.ts';
import type { Files } from '../files.ts';
import type { Inspected } from './api.ts';

/**
 * A variable that the container was started with, or the text of the file that its `NAME_FILE` names. Undefined when it
 * has neither, or does not run, so that its files are out of reach.
 */
export async function variableOf(
  container: Inspected,
  files: (folder: string) => Promise<Files>,
  name: string,
): Promise<Secret | undefined> {
  const value = given(container, name);
  if (value !== undefined) return new Secret(value);
  const file = given(container, `${name}_FILE`);
  if (file === undefined || !container.State.Running) return undefined;
  const text = (await (await files(dirname(file))).read(basename(file))).toString('utf8');
  return new Secret(text.replace(/\r?\n$/, ''));
}

function given({ Config }: Inspected, name: string): string | undefined {
  const line = (Config.Env ?? []).find((it) => it.startsWith(`${name}=`));
  const value = line?.slice(name.length + 1);
  return value === '' ? undefined : value;
}
