import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { World } from '../../src/backup/world.ts';
import { GUARD } from '../../src/hold/channel.ts';
import { type Guarded, startGuard } from '../../src/hold/guard.ts';
import { openJournal } from '../../src/hold/state.ts';
import { newId } from '../../src/model/id.ts';
import { tryImage } from '../environment/images.ts';
import { changed, until } from '../support/containers.ts';
import { type MariadbBench, type MariadbServer, makeMariadbBench, PASSWORD, startMariadb } from '../support/mariadb.ts';

const available = await tryImage('mariadb-10.11');
const title = `a setting that is changed for a moment${available.ok ? '' : ` (skipped: ${available.reason})`}`;
const SETTING = 'innodb_flush_log_at_trx_commit';
const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const argv = [process.execPath, file('../../src/cli.ts'), GUARD];

describe.skipIf(!available.ok)(title, () => {
  let server: MariadbServer;
  let bench: MariadbBench;
  beforeAll(async () => {
    server = await startMariadb({ command: ['--log-bin=binlog', '--server-id=3', `--${SETTING}=2`] });
    await server.query('CREATE TABLE things (id int PRIMARY KEY) ENGINE = InnoDB; INSERT INTO things VALUES (1)');
    bench = await makeMariadbBench();
  });
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  beforeEach(() => server.query(`SET GLOBAL ${SETTING} = 2`));
  const value = async (): Promise<number> =>
    Number((await server.query(`SELECT @@GLOBAL.${SETTING} AS value`))[0]?.value);
  const watchOf = (within: number, password = PASSWORD): Guarded => ({
    run: newId(),
    within,
    servers: [
      {
        ref: `docker:${server.name}`,
        engine: 'mariadb',
        login: { user: 'root', password },
        changes: [{ source: 'shop', what: SETTING, before: '2', during: '1', undo: `SET GLOBAL ${SETTING} = 2` }],
      },
    ],
  });
  /** A run of its own process, when it has changed the setting. */
  async function guarded(act: string, within = 60_000): Promise<ChildProcess> {
    const about = JSON.stringify({ argv, watch: watchOf(within), login: server.login, act });
    const child = spawn(process.execPath, [file('../support/guarded.ts'), about], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.stdout) await once(child.stdout, 'data');
    return child;
  }

  test('CUT-5 a backup journals the setting with its old value before it changes it, and leaves neither', async () => {
    const seen: unknown[] = [];
    await bench.backup(server, {
      onEvent: ({ event }) => {
        if (event !== 'holding') return;
        void Array.fromAsync(bench.world.journal.entries()).then((all) =>
          seen.push(...all.map((it) => ('entry' in it ? it.entry.changes : it))),
        );
      },
    });
    const change = { source: 'shop', what: SETTING, before: '2', during: '1', undo: `SET GLOBAL ${SETTING} = 2` };
    expect(seen[0]).toEqual([change]);
    expect(await value()).toBe(2);
    expect(await Array.fromAsync(bench.world.journal.entries())).toEqual([]);
    expect(bench.events.filter((it) => it.event === 'warning')).toEqual([]);
  });

  test('CUT-5 the runner is killed: the guard takes the setting back within 2 s', async () => {
    const child = await guarded(`SET GLOBAL ${SETTING} = 1`);
    expect(await value()).toBe(1);
    child.kill('SIGKILL');
    await until(async () => (await value()) === 2, 2_000);
  });

  test('CUT-5 the runner is stopped: the guard waits for the limit, then takes the setting back', async () => {
    const child = await guarded(`SET GLOBAL ${SETTING} = 1`, 3_000);
    child.kill('SIGSTOP');
    await sleep(500);
    expect(await value()).toBe(1);
    await until(async () => (await value()) === 2, 5_000);
    child.kill('SIGKILL');
  });

  test('CUT-5 what somebody has set to another value since is left alone', async () => {
    const child = await guarded(`SET GLOBAL ${SETTING} = 0`);
    child.kill('SIGKILL');
    await sleep(2_000);
    expect(await value()).toBe(0);
  });

  test('CUT-5 a guard that cannot log in is no guard: refused, and nothing is changed', async () => {
    await expect(startGuard(argv, watchOf(10_000, 'wrong'))).rejects.toMatchObject({
      code: 'hold-refused',
      message: expect.stringMatching(/cannot watch: .*refused the login/),
    });
  });

  test('CUT-5 CUT-6 guard and runner are dead: recover takes the setting back from the journal, unless it was changed since', async () => {
    const dead = spawn(process.execPath, ['-e', '']);
    await once(dead, 'exit');
    const left = async (during: string): Promise<void> => {
      const entry = await openJournal(bench.state).begin({
        run: newId(),
        command: 'backup',
        sources: [{ name: 'shop', ref: `docker:${server.name}`, engine: 'mariadb' }],
      });
      await entry.changing([{ source: 'shop', what: SETTING, before: '0', during, undo: `SET GLOBAL ${SETTING} = 0` }]);
      const path = `${bench.state}/runs/${entry.run}.json`;
      const written: object = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...written, pid: dead.pid }));
    };
    await left('2');
    await left('1');
    const { recover } = await import('../../src/hold/recover.ts');
    // A world of its own: what other tests have in Docker and on file systems is not this one's to recover.
    const runtime: World['runtime'] = async (name) =>
      changed(await bench.world.runtime(name), { async *leftovers() {} });
    const world = { ...bench.world, runtime, snapshotters: async () => [] };
    const recovered = await recover(world, { repositories: [], sources: [] });
    expect(recovered).toMatchObject({ found: 1, removed: 1, failed: [] });
    expect(await value()).toBe(0);
    expect(await Array.fromAsync(bench.world.journal.entries())).toEqual([]);
  });
});
