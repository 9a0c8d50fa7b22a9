import { asStillpointError } from '../model/errors.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import { now } from '../model/time.ts';
import type { Repository } from '../repositories/repository.ts';
import { claim } from './claim.ts';
import { finishAll } from './finish.ts';
import type { Gathered } from './gather.ts';
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
  try {
    return await runSteps(world, plan, gathered, repository, clock, signal);
  } catch (cause) {
    // What servers and disks say is no fault of ours; what the user asked for is told as that.
    const error = toldAsFailure(cause);
    throw signal.aborted && error.code !== 'still-held' ? signal.reason : error;
  }
}

async function runSteps(
  world: World,
  plan: Plan,
  gathered: Gathered,
  repository: Repository,
  clock: Clock,
  signal: AbortSignal,
): Promise<Manifest> {
  await using entry = await world.journal.begin({
    run: plan.id,
    command: 'backup',
    sources: plan.sources,
    repository: repository.name,
  });
  await using backup = await repository.begin(plan.job, plan.id);
  await checkRoom(world.emit, plan, repository, clock);
  await using storage = await openStorage(world, plan);
  await using captures = await openAll(world, plan, gathered, backup.put, signal);
  await prepareAll(captures);
  await storage.settle();
  const protect = protection(world, entry, plan, captures);
  const window = await cutTogether(captures, storage, plan, world.emit, protect, signal).catch((cause: unknown) => {
    // Whoever clears up has to know of this run.
    if (asStillpointError(cause).code === 'still-held') entry.keep();
    throw cause;
  });
  const sources = await finishAll(captures, storage);
  const kept = plan.keepSnapshot ? storage.keptAs() : [];
  const manifest = claim(plan, window, sources, { tool: world.tool, started: clock.started, ended: now(), kept });
  await backup.commit(manifest);
  if (plan.keepSnapshot) await storage.keep();
  tellSaved(world.emit, manifest, repository, clock);
  return manifest;
}
