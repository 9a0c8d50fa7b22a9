import type Docker from 'dockerode';
import { Secret } from '../../model/secret.ts';
import type { Inspected } from './api.ts';
import { entryOf } from './archive.ts';

/** A variable that the container was started with, or the text of the file that its `NAME_FILE` names. */
export async function variableOf(docker: Docker, container: Inspected, name: string): Promise<Secret | undefined> {
  const value = of(container, name);
  if (value !== undefined) return new Secret(value);
  const file = of(container, `${name}_FILE`);
  const entry = file === undefined ? undefined : await entryOf(docker, container.Id, file);
  return entry?.type === 'file' ? new Secret(entry.bytes.toString('utf8').replace(/\r?\n$/, '')) : undefined;
}

function of({ Config }: Inspected, name: string): string | undefined {
  const line = (Config.Env ?? []).find((it) => it.startsWith(`${name}=`));
  const value = line?.slice(name.length + 1);
  return value === '' ? undefined : value;
}
