import { createInterface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import { writerTo } from './write.ts';

/** Asks for a yes on stderr; anything else is a no. Undefined where nobody can be asked. Throws the reason of `signal`. */
export async function ask(question: string, signal: AbortSignal): Promise<boolean | undefined> {
  if (!isatty(0) || !isatty(2)) return undefined;
  const lines = createInterface({ input: process.stdin });
  writerTo(2)(`${question} Type yes to go on: `);
  try {
    return (await lines.question('', { signal })).trim().toLowerCase() === 'yes';
  } catch (cause) {
    signal.throwIfAborted();
    throw cause;
  } finally {
    lines.close();
  }
}
