import type Docker from 'dockerode';
import { execa } from 'execa';
import { serversIn } from '../../src/detect/recognise.ts';
import { engineNames, loadEngine } from '../../src/engines/registry.ts';
import { bounded } from '../../src/runtimes/bounded.ts';
import { loadRuntime } from '../../src/runtimes/registry.ts';
import { startIdle } from '../support/idle.ts';
import { median, spread } from './spread.ts';

const CONTAINERS = 100;
const ROUNDS = 15;

/** Milliseconds of each turn. */
export interface Scan {
  readonly containers: number;
  /** Detection of all of them. */
  readonly ours: readonly number[];
  /** One bare list and inspect of all their ids, as many at once. */
  readonly bare: readonly number[];
  /** The same by docker's own program. */
  readonly program: readonly number[];
}

/** Detection beside what nobody can do without: the list of containers, and each one's definition. In turns, so that both see the same machine. */
export async function measureScan(containers = CONTAINERS, rounds = ROUNDS): Promise<Scan> {
  await using idle = await startIdle(containers);
  const runtime = await loadRuntime('docker', { scratch: '/var/tmp' });
  const engines = await Promise.all(engineNames.map(loadEngine));
  const signal = new AbortController().signal;
  const detection = async (): Promise<void> => {
    for await (const instance of runtime.scan(signal)) serversIn(instance, engines);
  };
  const times: { ours: number[]; bare: number[]; program: number[] } = { ours: [], bare: [], program: [] };
  for (let round = 0; round < rounds; round++) {
    times.bare.push(await timed(() => listAndInspect(idle.docker)));
    times.ours.push(await timed(detection));
    times.program.push(await timed(byProgram));
  }
  return { containers: (await idle.docker.listContainers({ all: true })).length, ...times };
}

async function listAndInspect(docker: Docker): Promise<void> {
  const listed = await docker.listContainers({ all: true });
  // Other tests' containers may go away meanwhile.
  await Array.fromAsync(
    bounded(listed, 8, ({ Id }) =>
      docker
        .getContainer(Id)
        .inspect()
        .catch(() => undefined),
    ),
  );
}

async function byProgram(): Promise<void> {
  const { stdout } = await execa('docker', ['ps', '--all', '--quiet', '--no-trunc']);
  await execa('docker', ['inspect', ...stdout.split('\n')], { reject: false });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Of turns beside each other: both saw the same machine. */
export const ratiosOf = (times: readonly number[], { bare }: Scan): readonly number[] =>
  times.map((it, at) => it / (bare[at] ?? Number.NaN));

/** `npm run bench detect`: promise DOCK-3. */
export async function detect(): Promise<string[]> {
  const scan = await measureScan();
  const row = (what: string, times: readonly number[]): string =>
    `| ${what} | ${Math.round(median(times))} ms | ${spread(ratiosOf(times, scan))} |`;
  return [
    `${scan.containers} containers, medians of ${ROUNDS} turns; the goal is a ratio of 2:`,
    '',
    '| | time | ratio |',
    '|---|---|---|',
    row('bare list and inspect of all ids, 8 at once, in the same process', scan.bare),
    row('detection of all of them', scan.ours),
    row('`docker ps` and `docker inspect` of all ids', scan.program),
  ];
}
