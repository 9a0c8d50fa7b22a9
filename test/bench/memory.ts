import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { backup } from './backup.ts';
import { startCluster } from './cluster.ts';

const SIZES = [1, 4];

/** Peak resident memory in MiB, as the kernel kept it; undefined when the process is gone. */
function peak(pid: number): number | undefined {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return undefined;
    throw error;
  }
}

/** The runner's memory must not grow with the database. */
export async function memory(): Promise<string[]> {
  const rows: string[] = [];
  for (const gib of SIZES) {
    await using server = await startCluster(gib);
    let most = 0;
    const events = await backup(server, join(server.folder, 'backups'), (pid) => {
      most = Math.max(most, peak(pid) ?? 0);
    });
    const read = events.find((it) => it.event === 'saved')?.plainBytes ?? Number.NaN;
    rows.push(`| ${gib} GiB | ${(read / 1024 ** 3).toFixed(2)} GiB | ${most.toFixed(0)} MiB |`);
    process.stderr.write(`${rows.at(-1)}\n`);
  }
  return [
    'Peak resident memory (VmHWM) of the process of `stillpoint backup`.',
    '',
    '| cluster | read | peak |',
    '|---|---|---|',
    ...rows,
  ];
}
