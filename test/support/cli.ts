import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** One event line of `-o ndjson`. */
export type Line = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly Line[];
}

/** Runs the real command line as a process of its own; `onLine` sees each NDJSON event as it is written. */
export async function stillpoint(
  args: readonly string[],
  options: { env: Readonly<Record<string, string>>; onLine?: (line: Line, pid: number) => void; cwd?: string },
): Promise<Finished> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let stdout = '';
  let stderr = '';
  const lines: Line[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    stdout += `${text}\n`;
    if (!text.startsWith('{"event"') && !/^\{.*"event":/.test(text)) return;
    const line = JSON.parse(text) as Line;
    lines.push(line);
    options.onLine?.(line, child.pid ?? 0);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr, lines };
}

/** A folder for one test. The server's unprivileged user must be able to pass through it. */
export async function makeFolder(): Promise<AsyncDisposable & { readonly path: string; in(name: string): string }> {
  const path = await mkdtemp('/var/tmp/stillpoint-test-');
  // mkdtemp makes it 0700; the server's unprivileged user must get through.
  await chmod(path, 0o755);
  return {
    path,
    in: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Whether there is a process with this in its command line. */
export const isRunning = async (mark: string): Promise<boolean> =>
  (await execa('pgrep', ['-f', mark], { reject: false })).exitCode === 0;
