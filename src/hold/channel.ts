import type { Channel } from './sentry.ts';

/** The word on the command line that makes a process a guard; not a verb for people. */
export const GUARD = '--guard-a-run';

/** The channel to the process that started this one. */
export function receiver(process: NodeJS.Process): Channel {
  const waiting: ((message: unknown) => void)[] = [];
  const arrived: unknown[] = [];
  const take = (message: unknown): void => {
    const next = waiting.shift();
    if (next) next(message);
    else arrived.push(message);
  };
  process.on('message', take);
  process.on('disconnect', () => take(undefined));
  return {
    receive: () =>
      arrived.length > 0 ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve)),
    send: (word) =>
      new Promise((resolve) => {
        // The runner may be gone: then nobody needs to be told.
        if (process.connected && process.send) process.send(word, () => resolve());
        else resolve();
      }),
  };
}
