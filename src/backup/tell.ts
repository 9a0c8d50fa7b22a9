import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import { type Instant, now } from '../model/time.ts';
import type { Repository } from '../repositories/repository.ts';

export interface Clock {
  readonly started: Instant;
  readonly start: number;
}

export function tellStarted(emit: Emit, plan: Plan, repository: Repository): Clock {
  emit({
    event: 'started',
    run: plan.id,
    job: plan.job,
    repository: repository.name,
    encrypted: repository.encrypted,
    sources: plan.sources.map(({ name, engine, version, method }) => ({ name, engine, version, method })),
    coordinated: plan.consistency === 'coordinated',
  });
  return { started: now(), start: performance.now() };
}

/** Refuses before anything is touched when even a tenth of the data would not fit: compression cannot save that. */
export async function checkRoom(emit: Emit, plan: Plan, repository: Repository, clock: Clock): Promise<void> {
  const needBytes = plan.sources.reduce((sum, it) => sum + it.facts.dataBytes, 0);
  const freeBytes = await repository.free();
  if (freeBytes < needBytes / 10) {
    const [need, free] = [needBytes, freeBytes].map((it) => `${Math.ceil(it / 1e6)} MB`);
    throw new StillpointError(
      'repository-full',
      `${repository.name} has ${free} free; the data are ${need} before compression.`,
      {
        meaning: 'Nothing was touched. Earlier backups in this repository are whole.',
      },
    );
  }
  emit({ event: 'ready', needBytes, freeBytes, millis: performance.now() - clock.start });
}

export function tellSaved(emit: Emit, manifest: Manifest, repository: Repository, clock: Clock): void {
  const artifacts = manifest.sources.flatMap((it) => it.artifacts);
  const held = Object.values(manifest.window?.held ?? {}).map((it) => it.held.millis);
  emit({
    event: 'saved',
    id: manifest.id,
    job: manifest.job,
    level: manifest.sources.some((it) => it.level === 'crash') ? 'crash' : 'application',
    plainBytes: artifacts.reduce((sum, it) => sum + it.plainBytes, 0),
    storedBytes: artifacts.reduce((sum, it) => sum + it.storedBytes, 0),
    millis: performance.now() - clock.start,
    oneInstant: manifest.coordination.claimed,
    reasons: manifest.coordination.reasons,
    encrypted: repository.encrypted,
    ...(held.length === 0 ? {} : { heldMillis: Math.max(...held) }),
  });
}

/** Errors of servers and disks carry a code (SQLSTATE, errno); one without is a fault of this program and stays what it is. */
export function toldAsFailure(cause: unknown): StillpointError {
  const error = asStillpointError(cause);
  const said = error.cause;
  if (error.code !== 'internal' || !(said instanceof Error) || !('code' in said)) return error;
  return new StillpointError('backup-failed', `It was said: ${said.message} (${String(said.code)}).`, { cause });
}
