import { readFileSync } from 'node:fs';
import { execa } from 'execa';

/** One run of the program, by its own events. */
export interface Done {
  readonly millis: number;
  /** Milliseconds from the start of the process to the last event, or step, of this name. */
  at(name: string): number;
  /** Peak resident memory, MiB. */
  readonly peak: number;
  readonly events: readonly Record<string, unknown>[];
}

/** Runs the built program with `-o ndjson` and watches its memory. */
export async function runProgram(program: string, args: readonly string[], folder: string): Promise<Done> {
  const start = performance.now();
  const child = execa(process.execPath, [program, ...args, '-o', 'ndjson'], {
    cwd: folder,
    env: { STILLPOINT_STATE: `${folder}/state`, STILLPOINT_SCRATCH: folder },
    stdin: 'ignore',
  });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, child.pid === undefined ? 0 : residentPeak(child.pid));
  }, 50);
  try {
    const events: Record<string, unknown>[] = [];
    const times = new Map<string, number>();
    for await (const line of child) {
      const event = JSON.parse(line) as Record<string, unknown>;
      events.push(event);
      times.set(String(event.event === 'step' ? event.step : event.event), performance.now() - start);
    }
    await child;
    return { millis: performance.now() - start, at: (name) => times.get(name) ?? Number.NaN, peak, events };
  } finally {
    clearInterval(watch);
  }
}

/** The kernel's own high-water mark; zero for a process that has just ended. */
function residentPeak(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return 0;
    throw error;
  }
}
