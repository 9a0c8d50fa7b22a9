/**
 * `npm run kills [-- DEATH…]`: every death at every moment of a run over two engines. Each trial is a line in
 * .cache/kills.ndjson as it comes: killed, it goes on where it was; `--fresh` begins anew. Writes docs/kills.md.
 */
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openArena } from './arena.ts';
import { startDaemon } from './daemon.ts';
import { DEATHS } from './deaths.ts';
import { report } from './report.ts';
import { momentsOf, type Trial, tryDeath } from './trial.ts';

const LINES = fileURLToPath(new URL('../../.cache/kills.ndjson', import.meta.url));
const PAGE = fileURLToPath(new URL('../../docs/kills.md', import.meta.url));

async function readTrials(): Promise<readonly Trial[]> {
  const text = await readFile(LINES, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return '';
    throw cause;
  });
  return text
    .split('\n')
    .filter((it) => it !== '')
    .map((it) => JSON.parse(it) as Trial);
}

const { values, positionals } = parseArgs({ options: { fresh: { type: 'boolean' } }, allowPositionals: true });
process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
await mkdir(dirname(LINES), { recursive: true });
if (values.fresh) await rm(LINES, { force: true });
{
  // Testcontainers, docker and the command line all go by this.
  await using daemon = await startDaemon(['postgres-15', 'mariadb-10.11']);
  process.env.DOCKER_HOST = daemon.host;
  await using arena = await openArena({
    daemon,
    storage: 'one subvolume',
    durability: 'strict',
    methods: { postgres: 'snapshot', mariadb: 'dump' },
  });
  const moments = await momentsOf(arena);
  const done = await readTrials();
  for (const death of DEATHS.filter((it) => positionals.length === 0 || positionals.includes(it.name))) {
    for (const at of moments) {
      if (done.some((it) => it.death === death.name && it.at === at)) continue;
      const trial = await tryDeath(arena, death, at);
      await appendFile(LINES, `${JSON.stringify(trial)}\n`);
      process.stdout.write(`${trial.death} at ${at}: ${trial.problems.join('; ') || 'as it must be'}\n`);
    }
  }
}
const trials = await readTrials();
await writeFile(PAGE, report(trials, `Last run ${new Date().toISOString().slice(0, 10)}.`));
process.exitCode = trials.every((it) => it.problems.length === 0) ? 0 : 1;
