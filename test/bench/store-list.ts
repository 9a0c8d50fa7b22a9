import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { thisRunner } from '../../src/hold/runner.ts';
import { newId } from '../../src/model/id.ts';
import { Cipher } from '../../src/repositories/codec/cipher.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { seal } from '../../src/repositories/document.ts';
import { folderName } from '../../src/repositories/names.ts';
import { storedManifest, storedVerification } from '../../src/repositories/stored-manifest.ts';
import { manifestOf, verificationOf } from '../conformance/backups.ts';
import { build } from './built.ts';
import { median } from './spread.ts';

export const BACKUPS = 10_000;
const ROUNDS = 15;

/** Ten thousand manifests as a year of hourly backups leaves them, every second one verified; no streams. */
export async function fillStore(repository: string): Promise<void> {
  await openDirectoryRepository(repository, { create: true, runner: await thisRunner() });
  const sha = '0'.repeat(64);
  for (let hour = 0; hour < BACKUPS; hour += 1) {
    const id = newId();
    const at = new Date(Date.UTC(2026, 0, 1, hour)).toISOString();
    const folder = join(repository, 'backups', 'shop', folderName(at, id));
    const file = { name: 'orders.dump', file: 'orders.dump.zst', plainBytes: 5e8, storedBytes: 1e8 };
    const artifacts = [{ ...file, plainSha256: sha, storedSha256: sha }];
    const stored = await storedManifest(manifestOf({ id, job: 'shop', artifacts, started: at }), new Cipher());
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'manifest.json'), seal(stored));
    if (hour % 2 > 0) continue;
    const record = seal(await storedVerification(stored, verificationOf(true, at), new Cipher()));
    await writeFile(join(folder, 'verification-20261231T000000000Z-000000.json'), record);
  }
}

const ACTS = ['node -e 0', 'stillpoint --version', 'stillpoint list'] as const;

/** Milliseconds of each turn. */
export type Turns = Readonly<Record<(typeof ACTS)[number], readonly number[]>>;

/** The built program, as a user starts it: `list` of ten thousand, `--version` and `node -e 0` in turns. */
export async function measureList(rounds = ROUNDS): Promise<Turns> {
  const folder = await mkdtemp(join(tmpdir(), 'stillpoint-list-'));
  try {
    const bin = await build(folder);
    await fillStore(join(folder, 'store'));
    const args = [
      ['-e', '0'],
      [bin, '--version'],
      [bin, 'list', '--from', join(folder, 'store')],
    ];
    const times: number[][] = ACTS.map(() => []);
    for (let round = 0; round <= rounds; round += 1) {
      for (const [act, arg] of args.entries()) {
        const start = performance.now();
        // Before others, where that is allowed: a test may measure while its neighbours are at work.
        await execa('nice', ['-n', '-19', process.execPath, ...arg], { stdout: 'ignore', cwd: folder });
        // The first round fills the cache of the list and does not count.
        if (round > 0) times[act]?.push(performance.now() - start);
      }
    }
    const of = (act: number): readonly number[] => times[act] ?? [];
    return { 'node -e 0': of(0), 'stillpoint --version': of(1), 'stillpoint list': of(2) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The median over the rounds, because both of a round saw the same machine. */
export const ratioOf = (turns: Turns, name: keyof Turns, base: keyof Turns): number =>
  median(turns[name].map((time, round) => time / (turns[base][round] ?? Number.NaN)));

export async function storeList(): Promise<string[]> {
  const turns = await measureList();
  const row = (name: keyof Turns, base: keyof Turns) =>
    `| \`${name}\` | ${median(turns[name]).toFixed(0)} ms | ${ratioOf(turns, name, base).toFixed(1)} times \`${base}\` |`;
  return [
    `The built program, medians of ${ROUNDS} interleaved rounds; the repository holds ${BACKUPS} backups of one job.`,
    '',
    '| | time | |',
    '|---|---|---|',
    `| \`node -e 0\` | ${median(turns['node -e 0']).toFixed(0)} ms | |`,
    row('stillpoint --version', 'node -e 0'),
    row('stillpoint list', 'stillpoint --version'),
  ];
}
