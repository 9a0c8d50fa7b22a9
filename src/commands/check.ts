import { asStillpointError } from '../model/errors.ts';
import type { BackupId } from '../model/id.ts';
import type { BackupLine, Damage } from '../model/manifest.ts';
import { type Millis, now } from '../model/time.ts';
import type { Checked } from '../output/results.ts';
import { failedCheck } from '../repositories/failed-check.ts';
import type { Repository } from '../repositories/repository.ts';
import type { Command, Context } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const check: Command = async (context, [id], options) => {
  const began = performance.now();
  const repository = await openToRead(context, options, id === undefined ? undefined : jobOf(id));
  const lines = await chosen(repository, id);
  const backups: Checked['backups'][number][] = [];
  for (const { id: one, job, storedBytes } of lines) {
    const start = performance.now();
    const damage = await Array.fromAsync(repository.check(one, context.signal));
    backups.push({ id: one, job, storedBytes, damage });
    if (damage.length > 0) await remember(context, repository, one, damage, performance.now() - start);
  }
  const damaged = id === undefined ? await Array.fromAsync(repository.damaged()) : [];
  const isWhole = damaged.length === 0 && backups.every((it) => it.damage.length === 0);
  const sound = backups.find((it) => it.damage.length === 0)?.id;
  return {
    answer: 'check',
    body: { repository: repository.name, backups, damaged, millis: performance.now() - began },
    notes: isWhole ? ['Whole bytes are not yet a restorable backup: only verify shows that.'] : [],
    next:
      sound === undefined ? 'stillpoint detect' : `stillpoint verify ${sound}${alike(context.environment, options)}`,
    exit: isWhole ? 0 : 9,
  };
};

/** From now on retention does not count on this backup. Where that cannot be written, the damage is told all the same. */
async function remember(
  context: Context,
  repository: Repository,
  id: BackupId,
  damage: readonly Damage[],
  millis: Millis,
): Promise<void> {
  const { tool } = await context.world();
  try {
    await repository.record(id, failedCheck(damage, { tool, at: now(), millis }));
  } catch (error) {
    if (!['repository-read-only', 'repository-full', 'damaged'].includes(asStillpointError(error).code)) throw error;
  }
}

async function chosen(repository: Repository, id: string | undefined): Promise<readonly BackupLine[]> {
  const all = await Array.fromAsync(repository.list());
  if (id === undefined) return all;
  const one = (await repository.manifest(id)).id;
  return all.filter((it) => it.id === one);
}
