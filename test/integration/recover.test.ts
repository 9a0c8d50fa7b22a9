import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { World } from '../../src/backup/world.ts';
import { recover } from '../../src/hold/recover.ts';
import { newId } from '../../src/model/id.ts';
import { parseRef } from '../../src/model/ref.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { stillpoint } from '../support/cli.ts';
import { type Bench, makeBench } from '../support/postgres.ts';

describe('recover', () => {
  let server: Embedded;
  let bench: Bench;
  let deadPid: number;
  let world: World;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'] });
    await server.query('CREATE TABLE things (id int); GRANT SELECT ON things TO PUBLIC', [], 'shop');
    await server.query("CREATE ROLE weak LOGIN PASSWORD 'weak'; GRANT pg_read_all_stats TO weak");
    const dead = spawn(process.execPath, ['-e', '']);
    deadPid = dead.pid ?? 0;
    await once(dead, 'exit');
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    bench = await makeBench(server);
    // A world of its own: what other tests have in Docker and on file systems at this moment is not this one's to recover.
    world = { ...bench.world, runtime: () => bench.world.runtime('host'), snapshotters: async () => [] };
    env = { ...bench.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
    return () => bench[Symbol.asyncDispose]();
  });

  const sources = () => [{ name: 'pg', ref: parseRef(server.url) }];
  const entryFile = (run: string): string => bench.path(`state/runs/${run}.json`);
  /** A run that its journal knows, whose process is dead. */
  async function deadRun(ref = server.url): Promise<string> {
    const run = newId();
    await bench.world.journal.begin({ run, command: 'backup', sources: [{ name: 'pg', ref, engine: 'postgresql' }] });
    const entry: object = JSON.parse(await readFile(entryFile(run), 'utf8'));
    await writeFile(entryFile(run), JSON.stringify({ ...entry, pid: deadPid }));
    return run;
  }
  /** A session as a run has it in its hold; whether it is still there. */
  async function holding(run: string): Promise<AsyncDisposable & { isThere(): Promise<boolean> }> {
    const client = new pg.Client({ ...server.login('shop'), application_name: `stillpoint/${run}` });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN; LOCK TABLE things IN SHARE MODE');
    return {
      async isThere() {
        const rows = await server.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [
          `stillpoint/${run}`,
        ]);
        return rows.length > 0;
      },
      [Symbol.asyncDispose]: () => client.end(),
    };
  }
  const journal = async (): Promise<readonly string[]> => readdir(bench.path('state/runs'));

  test('CUT-6 the hold of a dead run is ended, by its run id, and it is gone when that is said', async () => {
    const run = await deadRun();
    await using session = await holding(run);
    const recovered = await recover(world, { repositories: [], sources: [] });
    expect(recovered).toEqual({ found: 1, removed: 1, failed: [] });
    expect(await session.isThere()).toBe(false);
    expect(bench.events).toContainEqual(expect.objectContaining({ event: 'found', run, holds: true }));
    expect(await journal()).toEqual([]);
  });

  test('CUT-6 a healthy run is not touched, and by name it is refused with what to do instead', async () => {
    let beside: Awaited<ReturnType<typeof recover>> | undefined;
    let byName: unknown;
    let looked: Promise<void> | undefined;
    await bench.backup({
      onEvent: (it) => {
        if (it.event !== 'step' || it.step !== 'slot') return;
        looked = (async () => {
          beside = await recover(world, { repositories: [bench.repository], sources: sources() });
          const run = bench.events.find((one) => one.event === 'started')?.run ?? '';
          byName = await recover(world, { repositories: [], sources: sources(), run }).catch((cause) => cause);
        })();
      },
    });
    await looked;
    expect(beside).toEqual({ found: 0, removed: 0, failed: [] });
    expect(byName).toMatchObject({ code: 'preflight', next: expect.stringContaining(`kill ${process.pid}`) });
  });

  test('CUT-6 a run that nobody here knows is left alone and told: exit 8 while it holds writes; with --run it is ended', async () => {
    const run = newId();
    await using session = await holding(run);
    const seen = await stillpoint(['recover', server.url, '-o', 'ndjson'], { env });
    expect(seen.code).toBe(8);
    expect(await session.isThere()).toBe(true);
    expect(seen.lines).toContainEqual(
      expect.objectContaining({ event: 'warning', reason: expect.objectContaining({ code: 'unknown-run' }) }),
    );
    const named = await stillpoint(['recover', server.url, '--run', run, '-o', 'ndjson'], { env });
    expect(named.code, named.stderr).toBe(0);
    expect(await session.isThere()).toBe(false);
  });

  test('CUT-6 what it may not do it says, with how to do it by hand: exit 8, and the run stays in the journal', async () => {
    // Without a user in it: the login is that of the environment.
    const run = await deadRun(`postgres://127.0.0.1:${server.port}`);
    await using session = await holding(run);
    await writeFile(bench.path('weak'), 'weak', { mode: 0o600 });
    const weak = { STILLPOINT_USER: 'weak', STILLPOINT_PASSWORD_FILE: bench.path('weak') };
    const tried = await stillpoint(['recover'], { env: { ...env, ...weak } });
    expect(tried.code, tried.stdout + tried.stderr).toBe(8);
    expect(tried.stdout).toMatch(/not done: It could not be ended: session \d+/);
    expect(tried.stdout.replaceAll(/\s+/g, ' ')).toMatch(/psql -c "SELECT pg_terminate_backend/);
    expect(await session.isThere()).toBe(true);
    expect(await journal()).toEqual([`${run}.json`]);
    expect((await stillpoint(['recover'], { env })).code).toBe(0);
    expect(await session.isThere()).toBe(false);
    expect(await journal()).toEqual([]);
  });

  test('CUT-6 a server that does not answer is told and kept in mind; everything else is cleared all the same', async () => {
    const away = await deadRun('postgres://127.0.0.1:1');
    const here = await deadRun();
    await using session = await holding(here);
    await writeFile(entryFile('zzzzzzzz'), '{ "run": ');
    const recovered = await recover(world, { repositories: [], sources: [] });
    expect(recovered).toMatchObject({ found: 1, removed: 1 });
    expect(recovered.failed.map((it) => it.code).sort()).toEqual(['backup-failed', 'unreachable']);
    expect(recovered.failed.map((it) => it.message).join()).toContain('zzzzzzzz.json cannot be read');
    expect(await session.isThere()).toBe(false);
    expect(await journal()).toEqual([`${away}.json`, 'zzzzzzzz.json'].sort());
  });

  test('CUT-6 nothing is said to be well where not everything could be asked', async () => {
    await deadRun('postgres://127.0.0.1:1');
    const tried = await stillpoint(['recover'], { env });
    expect(tried.code).toBe(5);
    expect(tried.stdout).not.toContain('writes flow');
  });
});
