import { Worker } from 'node:worker_threads';
import type { Acknowledgement, Orders } from './application.ts';

interface Message {
  readonly noted: readonly Acknowledgement[];
  readonly ended?: true;
  readonly failed?: string;
}

/** The application at work. Dispose stops it; an error that the application saw is thrown, for no backup may cause one. */
export interface Transfers extends AsyncDisposable {
  /** Every acknowledgement so far. */
  acknowledged(): Promise<readonly Acknowledgement[]>;
}

export function startTransfers(orders: Orders): Transfers {
  const worker = new Worker(new URL('./application.ts', import.meta.url), { workerData: orders });
  const all: Acknowledgement[] = [];
  let failure: string | undefined;
  let waiting: (() => void) | undefined;
  const ended = new Promise<void>((resolve) => {
    worker.on('message', ({ noted, ended, failed }: Message) => {
      for (const it of noted) all.push(it);
      failure ??= failed;
      waiting?.();
      if (ended) resolve();
    });
    worker.on('error', (cause) => {
      failure ??= String(cause);
      waiting?.();
      resolve();
    });
  });
  const check = (): void => {
    if (failure !== undefined) throw new Error(`the application failed: ${failure}`);
  };
  return {
    async acknowledged() {
      check();
      await new Promise<void>((resolve) => {
        waiting = resolve;
        worker.postMessage('note');
      });
      check();
      return all;
    },
    async [Symbol.asyncDispose]() {
      worker.postMessage('stop');
      await ended;
      await worker.terminate();
      check();
    },
  };
}

/** The shared clock's time of a moment of this thread's `performance.now()`. */
export const sharedClock = (moment: number): number =>
  moment + Number(process.hrtime.bigint()) / 1e6 - performance.now();
