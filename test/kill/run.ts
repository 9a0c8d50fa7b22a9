/**
 * `npm run kills [-- DEATH…]`: every death at every moment of a run over two engines. Each trial is a line in
 * .cache/kills.ndjson as it comes: killed, it goes on where it was; `--fresh` begins anew. Writes docs/kills.md.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Ndjson } from '../support/ndjson.ts';
import { type Arena, openArena } from './arena.ts';
import { startDaemon } from './daemon.ts';
import { DEATHS, type Death, snapshotHangs } from './deaths.ts';
import { report } from './report.ts';
import { momentsOf, type Trial, tryDeath } from './trial.ts';

const results = new Ndjson<Trial>(fileURLToPath(new URL('../../.cache/kills.ndjson', import.meta.url)));
const PAGE = fileURLToPath(new URL('../../docs/kills.md', import.meta.url));

const { values, positionals } = parseArgs({ options: { fresh: { type: 'boolean' } }, allowPositionals: true });
process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
if (values.fresh) await results.remove();
{
  // Testcontainers, docker and the command line all go by this.
  await using daemon = await startDaemon(['postgres-15', 'mariadb-10.11']);
  process.env.DOCKER_HOST = daemon.host;
  const options = {
    daemon,
    storage: 'one subvolume',
    durability: 'strict',
    methods: { postgres: 'snapshot', mariadb: 'dump' },
  } as const;
  const done = await results.read();
  const isWanted = ({ name }: Death): boolean => positionals.length === 0 || positionals.includes(name);
  const attempt = async (arena: Arena, death: Death, at: string): Promise<void> => {
    if (!isWanted(death) || done.some((it) => it.death === death.name && it.at === at)) return;
    const trial = await tryDeath(arena, death, at);
    await results.append(trial);
    process.stdout.write(`${trial.death} at ${at}: ${trial.problems.join('; ') || 'as it must be'}\n`);
  };
  {
    await using arena = await openArena(options);
    const moments = await momentsOf(arena);
    for (const death of DEATHS) for (const at of moments) await attempt(arena, death, at);
  }
  await using arena = await openArena({ ...options, hanging: true });
  await attempt(arena, snapshotHangs, 'held mariadb');
}
const trials = await results.read();
await writeFile(PAGE, report(trials, `Last run ${new Date().toISOString().slice(0, 10)}.`));
process.exitCode = trials.every((it) => it.problems.length === 0) ? 0 : 1;
