/**
 * The composition root: argv, the environment, signals and the exit code meet here and nowhere else. Nothing heavy is
 * imported before it is needed, so that `--version` and a mistyped verb answer at once.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from './backup/world.ts';
import type { Context } from './commands/command.ts';
import { completed } from './commands/next.ts';
import type { Options } from './commands/options.ts';
import { type Invocation, readCommandLine } from './commands/program.ts';
import { unlessStopped } from './commands/stop.ts';
import { GUARD } from './hold/channel.ts';
import { asStillpointError, StillpointError } from './model/errors.ts';
import type { Emit } from './model/events.ts';
import { createOutput, type Output, type OutputOptions } from './output/output.ts';
import { standardStreams } from './output/streams.ts';
import type { Runtime } from './runtimes/runtime.ts';

const environment = process.env;
const packageFile = new URL('../package.json', import.meta.url);
const version = String(JSON.parse(readFileSync(packageFile, 'utf8')).version);

/** Where journals lie: a user who is not root has no /var/lib. */
const stateDirectory = (): string =>
  environment.STILLPOINT_STATE ??
  (process.getuid?.() === 0
    ? '/var/lib/stillpoint'
    : join(environment.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'stillpoint'));

/** The registries, behind the contracts that commands know. */
function makeContext(named: string | undefined, emit: Emit, signal: AbortSignal): Context {
  const folder = process.cwd();
  const config = once(async () => (await import('./config/load.ts')).loadConfig(named, folder));
  const recipe: Context['recipe'] = async (name) => {
    const own = (await config())?.data.recipes[name];
    return (await import('./engines/load.ts')).loadRecipe(own ?? name);
  };
  const world = once(async (): Promise<World> => {
    const engines = await import('./engines/registry.ts');
    const scratch = environment.STILLPOINT_SCRATCH ?? '/var/tmp';
    const runtimes = new Map<string, Promise<Runtime>>();
    return {
      engine: engines.loadEngine,
      engines: () => Promise.all(engines.engineNames.map(engines.loadEngine)),
      async runtime(name) {
        const { loadRuntime } = await import('./runtimes/registry.ts');
        const made = runtimes.get(name) ?? loadRuntime(name, { scratch });
        runtimes.set(name, made);
        return made;
      },
      recipe,
      snapshotters: async () =>
        (await import('./snapshots/registry.ts')).loadSnapshotters((await config())?.data.snapshotters),
      login: async (source, of, instance) =>
        (await import('./config/login.ts')).resolveLogin(source, of, environment, instance),
      journal: (await import('./hold/state.ts')).openJournal(stateDirectory()),
      guard: async (over) => {
        const argv = [process.execPath, fileURLToPath(import.meta.url), GUARD];
        return (await import('./hold/guard.ts')).startGuard(argv, over);
      },
      emit,
      tool: `stillpoint ${version}`,
      scratch,
    };
  });
  return {
    world,
    config,
    recipe,
    engineNames: async () => (await import('./engines/registry.ts')).engineNames,
    async openRepository({ path, configured }, { create }) {
      const { openDirectoryRepository } = await import('./repositories/directory/index.ts');
      const { thisRunner } = await import('./hold/runner.ts');
      const { encryptionOf } = await import('./config/encryption.ts');
      const encryption = await encryptionOf(await config(), configured, environment);
      return openDirectoryRepository(path, { create, encryption, runner: await thisRunner() });
    },
    mediumOf: async (path) => (await import('./repositories/directory/medium.ts')).mediumOf(path),
    environment,
    folder,
    ask: async (question) => (await import('./output/ask.ts')).ask(question, signal),
    signal,
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const SIGNALS = {
  SIGINT: { code: 'interrupted', text: 'Interrupted' },
  SIGTERM: { code: 'terminated', text: 'Terminated' },
  SIGHUP: { code: 'terminated', text: 'The terminal was closed' },
} as const;

/** The first signal lets writes go and ends in order; the second ends at once. `meaning` is what that does to the data. */
function onSignals(output: Output, meaning = 'Nothing was changed.'): AbortSignal {
  const controller = new AbortController();
  for (const [name, { code, text }] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      const error = new StillpointError(code, `${text}.`, { meaning });
      if (controller.signal.aborted) process.exit(error.exit);
      output.aside(`${text}: clearing up first; once more to end at once.`);
      controller.abort(error);
    });
  }
  return controller.signal;
}

function outputFor(options: Partial<Options>): Output {
  const chosen: Omit<OutputOptions, 'out' | 'err'> = {
    format: options.output ?? 'text',
    quiet: options.quiet ?? false,
    verbose: options.verbose ?? false,
    colour: options.color ?? true,
  };
  return createOutput({ ...chosen, ...standardStreams() });
}

/** What a run starts beside itself. Its run speaks to it over a channel; when that closes, the run has ended. */
async function guard(): Promise<number> {
  const { receiver } = await import('./hold/channel.ts');
  const { standGuard } = await import('./hold/sentry.ts');
  const never = new AbortController().signal;
  await standGuard(await makeContext(undefined, () => undefined, never).world(), receiver(process));
  return 0;
}

/** Reads, runs, prints; returns the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === GUARD) return guard();
  let output = outputFor({});
  // A fault that no step waits for: told like every other, and the end, which ends our sessions and with them every hold.
  process.on('uncaughtException', (thrown) => {
    output.failure(asStillpointError(thrown));
    process.exit(1);
  });
  let complete = (error: StillpointError): StillpointError => error;
  try {
    const invocation: Invocation = readCommandLine(argv, environment, version);
    if (invocation.kind === 'text') {
      output.text(invocation.text);
      return 0;
    }
    const { verb, args, options } = invocation;
    output = outputFor(options);
    complete = (error) => completed(error, { args, options, environment });
    const context = makeContext(options.config, output.emit, onSignals(output, verb.stopped));
    const command = await verb.load();
    const work = command(context, args, options);
    // Only what has something to undo is waited for when the user wants to stop.
    const result = await (verb.stopped === undefined ? unlessStopped(context.signal, work) : work);
    output.result(result);
    return result.exit ?? 0;
  } catch (thrown) {
    const error = complete(asStillpointError(thrown));
    output.failure(error);
    return error.exit;
  }
}

// Everything is written and every hold is released by now; an idle connection must not keep the process.
process.exit(await main(process.argv.slice(2)));
