import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** What psql in the container answers, once the server is up. */
export async function ask(container: string, database: string, sql: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { exitCode, stdout, stderr } = await execa(
      'docker',
      ['exec', container, 'psql', '-U', 'postgres', '-d', database, '-Atc', sql],
      { reject: false, timeout: 10_000 },
    );
    if (exitCode === 0) return stdout.trim();
    if (tries > 60) throw new Error(stderr);
    await sleep(500);
  }
}
