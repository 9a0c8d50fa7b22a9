import type { BackupId } from '../model/id.ts';
import type { Repository, Taken } from './repository.ts';

/** Copies one backup to a further repository, byte for byte; it stays encrypted for whom it was. */
export async function copyBackup(
  from: Repository,
  to: Repository,
  id: BackupId,
  signal: AbortSignal,
  progress?: (copiedBytes: number) => void,
): Promise<Taken> {
  await using backup = await from.stored(id);
  return await to.take(backup, signal, progress);
}
