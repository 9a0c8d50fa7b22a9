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

const BACKUPS = 10_000;
const ROUNDS = 7;
const root = join(import.meta.dirname, '../..');

/** Ten thousand manifests as a year of hourly backups leaves them, every second one verified; no streams. */
async function fill(repository: string): Promise<void> {
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

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The built program, as a user starts it: `list` of ten thousand against `--version`, and that against `node -e 0`. */
export async function storeList(): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'stillpoint-list-'));
  try {
    await execa('npx', ['tsc', '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], { cwd: root });
    for (const name of ['package.json', 'recipes', 'node_modules']) {
      await execa('ln', ['-s', join(root, name), join(folder, name)]);
    }
    await fill(join(folder, 'store'));
    const cli = join(folder, 'dist', 'cli.js');
    const acts = {
      'node -e 0': ['-e', '0'],
      'stillpoint --version': [cli, '--version'],
      'stillpoint list': [cli, 'list', '--from', join(folder, 'store')],
    };
    const times = new Map<string, number[]>(Object.keys(acts).map((name) => [name, []]));
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [name, args] of Object.entries(acts)) {
        const start = performance.now();
        await execa(process.execPath, args, { stdout: 'ignore' });
        // The first round fills the cache of the list and does not count.
        if (round > 0) times.get(name)?.push(performance.now() - start);
      }
    }
    const of = (name: string): number => median(times.get(name) ?? []);
    const row = (name: string, base: string) =>
      `| \`${name}\` | ${of(name).toFixed(0)} ms | ${(of(name) / of(base)).toFixed(1)} times \`${base}\` |`;
    return [
      `The built program, medians of ${ROUNDS} interleaved rounds; the repository holds ${BACKUPS} backups of one job.`,
      '',
      '| | time | |',
      '|---|---|---|',
      `| \`node -e 0\` | ${of('node -e 0').toFixed(0)} ms | |`,
      row('stillpoint --version', 'node -e 0'),
      row('stillpoint list', 'stillpoint --version'),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}
