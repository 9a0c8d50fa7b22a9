import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { dataName } from './names.ts';
import { readPlace } from './position.ts';
import { accountFile, binlogOptions, startServer, twinLogin } from './server.ts';

/** The files of the snapshot, as they lay. */
export async function imageFiles(source: SourceRecord, open: Open, target: Target): Promise<void> {
  await target.write(await open(dataName(source.name)));
}

/** A server started on them recovers by itself to the instant of the cut; its binary log says whether it did. */
export async function restoreImage(source: SourceRecord, open: Open, into: Twin): Promise<Login> {
  await imageFiles(source, open, into);
  await into.write(accountFile());
  await using session = await startServer(into, source, binlogOptions(source, into.root));
  const { gtid = '' } = source.position.values;
  if (binlogOptions(source, into.root).length > 0) {
    const restored = await readPlace(session);
    if (restored.gtid !== gtid) {
      throw new StillpointError(
        'restore-failed',
        `The restored server stands at GTID ${restored.gtid || 'none'}, and the point is ${source.position.text}.`,
      );
    }
  }
  return twinLogin;
}
