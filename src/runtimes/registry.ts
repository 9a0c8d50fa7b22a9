import { StillpointError } from '../model/errors.ts';
import type { Runtime } from './runtime.ts';

/** Every runtime, loaded on first use. */
export async function loadRuntime(name: Runtime['name'], options: { readonly scratch: string }): Promise<Runtime> {
  if (name === 'host') return (await import('./host/index.ts')).hostRuntime(options.scratch);
  if (name === 'docker') return (await import('./docker/index.ts')).dockerRuntime(options.scratch);
  throw new StillpointError('usage', `This version knows no runtime '${name}' yet.`);
}
