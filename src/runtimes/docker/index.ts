import type Docker from 'dockerode';
import type { Leftover } from '../../model/leftover.ts';
import type { Ref } from '../../model/ref.ts';
import type { Instance, Runtime } from '../runtime.ts';
import { connectDocker } from './api.ts';
import { findContainer } from './find.ts';
import { dockerInstance } from './instance.ts';
import { leftoversIn } from './leftovers.ts';
import { scanContainers } from './scan.ts';
import { dockerTwin } from './twin.ts';

/** Servers in containers of one Docker daemon. Connects when it is first asked something. */
export function dockerRuntime(docker: Docker = connectDocker()): Runtime {
  return {
    name: 'docker',
    async find(ref: Ref): Promise<Instance> {
      return dockerInstance(docker, await findContainer(docker, ref), ref);
    },
    scan: (signal) => scanContainers(docker, signal),
    twin: (definition, run) => dockerTwin(docker, definition, run),
    leftovers: (): AsyncIterable<Leftover> => leftoversIn(docker),
  };
}
