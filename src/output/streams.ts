import { isatty } from 'node:tty';
import type { Stream } from './output.ts';
import { writerTo } from './write.ts';

const stream = (descriptor: 1 | 2, columns: () => number): Stream => ({
  write: writerTo(descriptor),
  isTerminal: isatty(descriptor),
  columns,
});

/** stdout and stderr. Their `columns` follow the window as it is resized. */
export const standardStreams = (): { readonly out: Stream; readonly err: Stream } => ({
  out: stream(1, () => process.stdout.columns ?? 80),
  err: stream(2, () => process.stderr.columns ?? 80),
});
