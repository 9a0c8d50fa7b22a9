import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Embedded } from '../embedded/postgres.ts';
import { backup, type Timed } from './backup.ts';
import { startCluster } from './cluster.ts';

const PAIRS = 7;

interface Pair {
  readonly ours: number;
  readonly tar: number;
  readonly events: readonly Timed[];
}

/** The clock, the files already in memory, and nothing of the run before still on its way to the disk. */
async function timed<T>(run: () => Promise<T>): Promise<[number, T]> {
  await execa('sync');
  const start = performance.now();
  const value = await run();
  return [performance.now() - start, value];
}

async function pair(server: Embedded, oursFirst: boolean): Promise<Pair> {
  const repository = join(server.folder, 'backups');
  const file = join(server.folder, 'cluster.tar.zst');
  const ours = async () => {
    const result = await timed(() => backup(server, repository));
    await rm(repository, { recursive: true });
    return result;
  };
  const tar = async () => {
    const [millis] = await timed(() => execa('tar', ['-I', 'zstd -T0', '-cf', file, '-C', server.dataDirectory, '.']));
    return [millis, (await stat(file)).size] as const;
  };
  const first = oursFirst ? await ours() : undefined;
  const [tarMillis] = await tar();
  const [millis, events] = first ?? (await ours());
  return { ours: millis, tar: tarMillis, events };
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (
    ((sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN) +
      (sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN)) /
    2
  );
};

const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)} s`;

/** Where our time went: from one event to the next, medians over the runs. */
function parts(pairs: readonly Pair[]): string[] {
  const at = (events: readonly Timed[], word: string): number =>
    events.findLast((it) => it.event === word || (it.event === 'step' && it.step === word))?.after ?? Number.NaN;
  const words = (pairs[0]?.events ?? []).flatMap((it) =>
    it.event === 'step' ? [it.step] : it.event === 'progress' ? [] : [it.event],
  );
  const points = [...new Set(words)].sort((a, b) => at(pairs[0]?.events ?? [], a) - at(pairs[0]?.events ?? [], b));
  return points.map((word) => `| ${word} | ${seconds(median(pairs.map(({ events }) => at(events, word))))} |`);
}

/** A backup of 1 GB against a plain tar of the same files: how much a consistent, digested, fingerprinted copy costs. */
export async function copy(): Promise<string[]> {
  await using server = await startCluster(1);
  await pair(server, true);
  const pairs: Pair[] = [];
  for (let round = 0; round < PAIRS; round++) {
    const one = await pair(server, round % 2 === 0);
    process.stderr.write(`pair ${round + 1}: ours ${seconds(one.ours)}, tar ${seconds(one.tar)}\n`);
    pairs.push(one);
  }
  const ratios = pairs.map(({ ours, tar }) => ours / tar);
  const saved = pairs[0]?.events.find((it) => it.event === 'saved');
  const size = (bytes = Number.NaN) => `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
  return [
    '`stillpoint backup` of a quiet cluster of 1 GiB against `tar -c DATA | zstd -T0 > file` of the same files,',
    `${PAIRS} interleaved pairs after one that does not count, files in memory.`,
    '',
    `**${median(ratios).toFixed(2)} times** the time of tar (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}).`,
    '',
    '| | median | from | to |',
    '|---|---|---|---|',
    ...(['ours', 'tar'] as const).map((who) => {
      const times = pairs.map((one) => one[who]);
      const name = who === 'ours' ? 'stillpoint backup' : 'tar and zstd';
      return `| ${name} | ${seconds(median(times))} | ${seconds(Math.min(...times))} | ${seconds(Math.max(...times))} |`;
    }),
    '',
    `Read ${size(saved?.plainBytes)}, stored ${size(saved?.storedBytes)}. Ours includes the start of Node, SHA-256 of every byte twice,`,
    'fsync, the log, and the fingerprint: a digest of every row, made by the server. Median time after the start of the process:',
    '',
    '| last event of its kind | after |',
    '|---|---|',
    ...parts(pairs),
  ];
}
