import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { dumpFiles, restoreDump } from './restore-dump.ts';
import { imageFiles, restoreImage } from './restore-image.ts';

export const restoreFiles = (source: SourceRecord, open: Open, target: Target): Promise<void> =>
  source.method === 'dump' ? dumpFiles(source, open, target) : imageFiles(source, open, target);

export const restore = (source: SourceRecord, open: Open, into: Twin): Promise<Login> =>
  source.method === 'dump' ? restoreDump(source, open, into) : restoreImage(source, open, into);
