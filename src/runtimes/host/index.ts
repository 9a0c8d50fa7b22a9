import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import { isId } from '../../model/id.ts';
import type { Leftover } from '../../model/leftover.ts';
import { formatRef } from '../../model/ref.ts';
import type { Runtime } from '../runtime.ts';
import { hostInstance } from './instance.ts';
import { endProcessesIn } from './leftovers.ts';
import { scanHost } from './scan.ts';
import { hostTwin } from './twin.ts';

/** Servers on this machine or reached by URL. `scratch` is where twins get their folders. */
export const hostRuntime = (scratch: string): Runtime => ({
  name: 'host',
  async find(ref) {
    if (ref.kind !== 'url') throw new StillpointError('not-found', `${formatRef(ref)} is not on the host.`);
    return hostInstance(ref);
  },
  scan: scanHost,
  twin: (definition, run) => hostTwin(definition, run, scratch),
  async *leftovers(): AsyncGenerator<Leftover> {
    for (const entry of await readdir(scratch).catch(() => [])) {
      const run = /^stillpoint-([0-9a-z]{8})-/.exec(entry)?.[1];
      if (run === undefined || !isId(run)) continue;
      const folder = join(scratch, entry);
      yield {
        run,
        kind: 'twin',
        what: `throwaway server in ${folder}`,
        holds: false,
        async remove() {
          await endProcessesIn(folder);
          await rm(folder, { recursive: true, force: true });
        },
      };
    }
  },
});
