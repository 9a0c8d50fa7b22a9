import { StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Twin } from '../../runtimes/runtime.ts';
import type { Asleep } from '../engine.ts';
import { TWIN_USER } from './objects.ts';
import { ACCOUNT_FILE, twinLogin } from './server.ts';
import { openSession } from './session.ts';

const REMOVE_LIMIT = 10_000;

/** What makes a server a replica of another one, unless its own options forbid it; and what was ours. */
const WAKES = ['master.info', 'relay-log.info', 'multi-master.info'];

/**
 * Takes our account away and lets the server write everything out as it ends. A server reads no options from its data
 * directory: whether events run there is up to the options that it is started with (OFF unless they say otherwise).
 */
export async function handOver(_source: SourceRecord, from: Twin): Promise<Asleep> {
  {
    await using session = await openSession(from, twinLogin, 'stillpoint/restore');
    await session.query(
      `SET SESSION sql_log_bin = 0; DROP USER '${TWIN_USER}'@'localhost'; SET GLOBAL innodb_fast_shutdown = 1`,
    );
    await session.query('SHUTDOWN');
  }
  await from.ended;
  const files = [ACCOUNT_FILE, ...WAKES].map((it) => `${from.root}/${it}`);
  await using process = await from.exec(['rm', '-f', ...files], { limit: REMOVE_LIMIT });
  process.stdin.end();
  process.stdout.resume();
  const { code, stderr } = await process.exit;
  if (code !== 0)
    throw new StillpointError('restore-failed', `Files of the restored server could not be removed: ${stderr.trim()}`);
  return { what: [], wake: async () => undefined };
}
