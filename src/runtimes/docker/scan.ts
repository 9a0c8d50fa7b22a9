import { bounded } from '../bounded.ts';
import type { Instance } from '../runtime.ts';
import { dockerError, statusOf } from './api.ts';
import { nameOf } from './find.ts';
import { dockerInstance } from './instance.ts';
import { RUN_LABEL } from './labels.ts';
import type { Daemon } from './self.ts';

/** The daemon answers one question after the other in much the same time: more at once only fills its memory. */
const AT_ONCE = 8;

/** Every container, running or not, but for our own throwaway ones. One that goes away meanwhile is left out. */
export async function* scanContainers(daemon: Daemon, signal: AbortSignal): AsyncGenerator<Instance> {
  const { docker } = daemon;
  const listed = await docker.listContainers({ all: true }).catch((cause: unknown) => {
    throw dockerError(cause, 'The containers cannot be listed');
  });
  const theirs = listed.filter(({ Labels }) => Labels[RUN_LABEL] === undefined);
  const found = bounded(theirs, AT_ONCE, async ({ Id, Names }): Promise<Instance | undefined> => {
    signal.throwIfAborted();
    try {
      const container = await docker.getContainer(Id).inspect();
      return await dockerInstance(daemon, container, { kind: 'docker', name: nameOf(Names) }, { ports: false });
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      throw dockerError(cause, `The container ${nameOf(Names)} cannot be looked at`);
    }
  });
  for await (const instance of found) if (instance) yield instance;
}
