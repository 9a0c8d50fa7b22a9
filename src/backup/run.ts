import type { Entry } from '../hold/journal.ts';
import { asStillpointError } from '../model/errors.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import { now } from '../model/time.ts';
import type { Repository } from '../repositories/repository.ts';
import { claim } from './claim.ts';
import { finishAll } from './finish.ts';
import type { Gathered } from './gather.ts';
import { RunHooks } from './hooks.ts';
import { openAll, prepareAll } from './prepare.ts';
import { protection } from './protect.ts';
import { openStorage } from './storage.ts';
import { type Clock, checkRoom, tellSaved, tellStarted, toldAsFailure } from './tell.ts';
import { cutTogether } from './window.ts';
import type { World } from './world.ts';

/**
 * One backup, from plan to manifest. However it ends, writes flow afterwards and nothing of it is left on the servers;
 * without the manifest, written last, nothing of it is left in the repository either.
 */
export async function runBackup(
  world: World,
  plan: Plan,
  gathered: Gathered,
  repository: Repository,
  signal: AbortSignal,
): Promise<Manifest> {
  const clock = tellStarted(world.emit, plan, repository);
  await using entry = await world.journal.begin({
    run: plan.id,
    command: 'backup',
    sources: plan.sources,
    repository: repository.name,
  });
  const hooks = new RunHooks(gathered.job, plan, entry, world.emit, signal);
  let made: Manifest;
  try {
    made = await runSteps(world, plan, gathered, repository, { clock, entry, hooks, signal });
  } catch (cause) {
    // What servers and disks say is no fault of ours; what the user asked for is told as that.
    const told = toldAsFailure(cause);
    const error = signal.aborted && told.code !== 'still-held' ? asStillpointError(signal.reason) : told;
    await hooks.after('failed');
    await hooks.failed(error);
    throw error;
  }
  await hooks.judge(made);
  return made;
}

/** What one run has beside what it works on. */
interface Run {
  readonly clock: Clock;
  readonly entry: Entry;
  readonly hooks: RunHooks;
  readonly signal: AbortSignal;
}

async function runSteps(
  world: World,
  plan: Plan,
  gathered: Gathered,
  repository: Repository,
  { clock, entry, hooks, signal }: Run,
): Promise<Manifest> {
  await using backup = await repository.begin(plan.job, plan.id);
  await checkRoom(world.emit, plan, repository, clock);
  await using storage = await openStorage(world, plan);
  await using captures = await openAll(world, plan, gathered, backup.put, signal);
  await prepareAll(captures);
  await storage.settle();
  const protect = protection(world, entry, plan, captures);
  await hooks.before();
  const surroundings = { emit: world.emit, protect, inHold: hooks.inHold(), signal };
  const window = await cutTogether(captures, storage, plan, surroundings).catch((cause: unknown) => {
    // Whoever clears up has to know of this run.
    if (asStillpointError(cause).code === 'still-held') entry.keep();
    throw cause;
  });
  await hooks.after('cut');
  const sources = await finishAll(captures, storage);
  const kept = plan.keepSnapshot ? storage.keptAs() : [];
  const run = { tool: world.tool, started: clock.started, ended: now(), kept, drained: hooks.drained };
  const manifest = claim(plan, window, sources, run);
  await backup.commit(manifest);
  if (plan.keepSnapshot) await storage.keep();
  tellSaved(world.emit, manifest, repository, clock);
  return manifest;
}
