import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { Secret } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import { lastLines } from './tools.ts';

/** Restoring an index may take days; only its end, its failure or ours ends it. */
const NO_LIMIT = 20 * 24 * 3_600_000;

/** Runs one of the server's programs to its end. Every error of it is a failure of the restore, in its own words. */
export async function runTool(
  at: Pick<Instance, 'exec'>,
  argv: readonly string[],
  env: Readonly<Record<string, string | Secret>>,
  input?: Readable,
  where = 'on the restored server',
): Promise<void> {
  await using process = await at.exec(argv, { env, limit: NO_LIMIT });
  process.stdout.resume();
  const fed = input ? pipeline(input, process.stdin) : process.stdin.end();
  const [feeding, ending] = await Promise.allSettled([fed, process.exit]);
  const said = ending.status === 'fulfilled' ? ending.value : { code: -1, stderr: messageOf(ending.reason) };
  // When the stored bytes are at fault, that is told, and not what the program made of them.
  if (feeding.status === 'rejected' && feeding.reason instanceof StillpointError) throw feeding.reason;
  if (said.code !== 0) {
    throw new StillpointError(
      'restore-failed',
      `${argv[0]?.split('/').at(-1)} failed ${where} with exit status ${said.code}: ${lastLines(said.stderr)}`,
      ending.status === 'rejected' ? { cause: ending.reason } : {},
    );
  }
  if (feeding.status === 'rejected') throw feeding.reason;
}
