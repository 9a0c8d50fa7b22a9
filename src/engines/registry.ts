import { StillpointError } from '../model/errors.ts';
import type { Engine } from './engine.ts';

/** Every engine, loaded on first use: a driver costs tens of milliseconds that `--version` must not pay. */
const loaders: Readonly<Record<string, () => Promise<Engine>>> = {
  mariadb: async () => (await import('./mariadb/index.ts')).mariadb,
  postgresql: async () => (await import('./postgresql/index.ts')).postgresql,
};

export const engineNames: readonly string[] = Object.keys(loaders);

export async function loadEngine(name: string): Promise<Engine> {
  const load = loaders[name];
  if (!load) throw new StillpointError('usage', `There is no engine '${name}'; there are: ${engineNames.join(', ')}.`);
  return load();
}
