import type Docker from 'dockerode';
import type { Runtime } from '../runtime.ts';
import { connectDocker } from './api.ts';
import { findContainer } from './find.ts';
import { dockerInstance } from './instance.ts';
import { leftoversIn } from './leftovers.ts';
import { scanContainers } from './scan.ts';
import { daemonAt } from './self.ts';
import { dockerSuccessor } from './successor.ts';
import { dockerTwin } from './twin.ts';
import { dockerVessel } from './vessel.ts';

/** Servers in containers of one Docker daemon. Connects when it is first asked something. */
export function dockerRuntime(scratch: string, docker: Docker = connectDocker()): Runtime {
  const daemon = daemonAt(docker, scratch);
  return {
    name: 'docker',
    find: async (ref) => dockerInstance(daemon, await findContainer(docker, ref), ref),
    scan: (signal) => scanContainers(daemon, signal),
    twin: (definition, run) => dockerTwin(daemon, definition, run),
    successor: (definition, name, run) => dockerSuccessor(daemon, definition, name, run),
    vessel: (ref, definition, run) => dockerVessel(docker, ref, definition, run),
    leftovers: () => leftoversIn(docker),
  };
}
