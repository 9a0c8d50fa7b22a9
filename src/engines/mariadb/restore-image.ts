import type { Readable } from 'node:stream';
import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import { newTar } from '../../runtimes/pack.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { logOf } from './flush.ts';
import { binlogIndex, imageName, imageOptions } from './image.ts';
import { placeText, readPlace } from './position.ts';
import { accountFile, startServer, twinLogin } from './server.ts';
import type { Session } from './session.ts';

/** The files as they were at the cut. */
export async function imageFiles(source: SourceRecord, open: Open, target: Target): Promise<void> {
  await target.write(await open(imageName(source.name)));
  const index = binlogIndex(source);
  if (!index) return;
  const tar = newTar();
  tar.entry({ name: index.path, mode: 0o660 }, index.text);
  tar.finalize();
  await target.write(tar as unknown as Readable);
}

/** Lets a quarantined server recover the image, as after a power cut, and reads back where it stands. */
export async function restoreImage(source: SourceRecord, open: Open, into: Twin): Promise<Login> {
  await imageFiles(source, open, into);
  await into.write(accountFile());
  await using session = await startServer(into, source, imageOptions(source));
  await checkPosition(source, session);
  return twinLogin;
}

/** Where there is a binary log, exactly the GTID of the cut; and in any case nothing of InnoDB's log is missing. */
async function checkPosition({ position }: SourceRecord, session: Session): Promise<void> {
  const { gtid = '', binlog = '', applied = '', lsn = '0' } = position.values;
  const now = await readPlace(session);
  const { current } = await logOf(session);
  const isThere = (binlog === '' || now.gtid === gtid) && now.applied === applied && current >= BigInt(lsn);
  if (isThere) return;
  throw new StillpointError(
    'restore-failed',
    `The restored server recovered to ${placeText(now)}, log ${current}; the cut was at ${position.text}.`,
  );
}
