import { constants } from 'node:os';
import { CommandFailed } from './stillpoint.ts';

/** Runs a demo so that it tidies up when it is interrupted, and says so; the exit code is a shell's own for that signal. */
export async function interruptible(demo: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort(name));
  try {
    await demo(interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) {
      const name: 'SIGINT' | 'SIGTERM' | 'SIGHUP' = interrupted.signal.reason;
      process.stdout.write('Interrupted; nothing is left behind.\n');
      process.exitCode = 128 + constants.signals[name];
    } else if (error instanceof CommandFailed) {
      process.stdout.write(`${error.message} The demo ends here; nothing is left behind.\n`);
      process.exitCode = 1;
    } else throw error;
  }
}
