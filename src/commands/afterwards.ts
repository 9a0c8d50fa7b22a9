import type { World } from '../backup/world.ts';
import type { JobConfig } from '../config/schema.ts';
import { asStillpointError } from '../model/errors.ts';
import type { Manifest } from '../model/manifest.ts';
import { copyBackup } from '../repositories/copy.ts';
import type { Repository } from '../repositories/repository.ts';
import { verifyBackup } from '../restore/verify.ts';
import type { Context } from './command.ts';
import { forgetJob } from './forget.ts';
import { choosePlace } from './place.ts';

/** What a job does once its backup is stored. `exit` is that of the worst that happened; the backup itself stays good. */
export interface Afterwards {
  readonly notes: readonly string[];
  readonly verified: boolean;
  readonly exit: number;
}

/**
 * Copies, verifies and forgets, as the job says, in this order: what is removed depends on what was just verified, and
 * nothing is removed when a copy or the verification failed.
 */
export async function afterwards(
  context: Context,
  world: World,
  repository: Repository,
  made: Manifest,
  job: JobConfig | undefined,
): Promise<Afterwards> {
  const notes: string[] = [];
  let exit = 0;
  for (const name of job?.copies ?? []) {
    try {
      const to = await context.openRepository(choosePlace(context, await context.config(), name), { create: true });
      await copyBackup(repository, to, made.id, context.signal);
      notes.push(`Copied to ${name}.`);
    } catch (cause) {
      const error = asStillpointError(cause);
      exit = Math.max(exit, error.exit);
      notes.push(`NOT copied to ${name}: ${error.message}`);
    }
  }
  let verified = false;
  if (job?.verify?.after === 'backup') {
    const verification = await verifyBackup(world, repository, made.id, context.signal);
    verified = verification.good;
    if (!verified) exit = 9;
    notes.push(
      verified
        ? 'Verified: the restored copy is identical to what was captured.'
        : `DIFFERS from what was captured: stillpoint show ${made.id}`,
    );
  }
  if (job?.keep !== undefined && exit === 0) {
    const gone = (await forgetJob(repository, made.job, job.keep, false)).filter(
      (it) => !it.keep && it.failure === undefined,
    );
    if (gone.length > 0) notes.push(`Removed by the keep rules: ${gone.map((it) => it.id).join(', ')}.`);
  }
  return { notes, verified, exit };
}
