import { fileURLToPath } from 'node:url';
import type { World } from '../../src/backup/world.ts';
import { loadRecipe } from '../../src/engines/load.ts';
import { engineNames, loadEngine } from '../../src/engines/registry.ts';
import { GUARD } from '../../src/hold/channel.ts';
import { startGuard } from '../../src/hold/guard.ts';
import { openJournal } from '../../src/hold/state.ts';
import type { Emit } from '../../src/model/events.ts';
import { Secret } from '../../src/model/secret.ts';
import { loadRuntime } from '../../src/runtimes/registry.ts';
import { loadSnapshotters } from '../../src/snapshots/registry.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** The same world as cli.ts makes, without argv and environment. */
export function makeWorld(options: {
  user: string;
  password: string;
  state: string;
  scratch: string;
  emit?: Emit;
}): World {
  return {
    engine: loadEngine,
    engines: () => Promise.all(engineNames.map(loadEngine)),
    runtime: (name) => loadRuntime(name, { scratch: options.scratch }),
    recipe: loadRecipe,
    snapshotters: async () => loadSnapshotters(),
    login: async () => ({ user: options.user, password: new Secret(options.password) }),
    journal: openJournal(options.state),
    guard: (over) => startGuard([process.execPath, CLI, GUARD], over),
    emit: options.emit ?? (() => undefined),
    tool: 'stillpoint test',
    scratch: options.scratch,
  };
}
