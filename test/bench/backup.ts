import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { RunEvent } from '../../src/model/events.ts';
import type { Embedded } from '../embedded/postgres.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

/** An event of the run, with the milliseconds since the process was started. */
export type Timed = RunEvent & { readonly after: number };

/** One `stillpoint backup` of the server as a process of its own. `watch` is called with its pid all the while. */
export async function backup(server: Embedded, to: string, watch: (pid: number) => void = () => {}): Promise<Timed[]> {
  const start = performance.now();
  const child = execa(process.execPath, [PROGRAM, 'backup', server.url, '--to', to, '-o', 'ndjson'], {
    cwd: server.folder,
    env: { STILLPOINT_PASSWORD_FILE: server.passwordFile, STILLPOINT_STATE: join(server.folder, 'state') },
    stdin: 'ignore',
  });
  const { pid } = child;
  const timer = setInterval(() => pid !== undefined && watch(pid), 10);
  try {
    const events: Timed[] = [];
    for await (const line of child) events.push({ ...JSON.parse(line), after: performance.now() - start });
    await child;
    return events;
  } finally {
    clearInterval(timer);
  }
}
