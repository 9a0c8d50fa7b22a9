import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { dumpFiles, restoreDump } from './restore-dump.ts';
import { imageFiles, restoreImage } from './restore-image.ts';

/** Lays the files of a backup out; those of a snapshot so that a server started on them recovers. Starts nothing. */
export const restoreFiles = (source: SourceRecord, open: Open, target: Target): Promise<void> =>
  source.method === 'dump' ? dumpFiles(source, open, target) : imageFiles(source, open, target);

/** Restores into the twin, quarantined, and reads back that it is at the point. */
export const restore = (source: SourceRecord, open: Open, into: Twin): Promise<Login> =>
  source.method === 'dump' ? restoreDump(source, open, into) : restoreImage(source, open, into);
