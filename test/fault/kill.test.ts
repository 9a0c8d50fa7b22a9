import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { thisRunner } from '../../src/hold/runner.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { type Line, makeFolder, stillpoint } from '../support/cli.ts';
import { type Ledger, startLedger } from '../support/ledger.ts';

/** Names a moment of a run: `step slot`, `stored pg.base.tar`, `held`. */
const moment = (line: Line): string =>
  [line.event, line.step ?? line.artifact].filter((it) => it !== undefined).join(' ');

/** Events that come when the backup is stored already. */
const WHOLE = new Set(['saved', 'result']);

describe('a run that is killed', () => {
  let server: Embedded;
  let ledger: Ledger;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let env: Record<string, string>;
  let moments: readonly string[] = [];

  const leftOnServer = async (): Promise<number> => {
    const [row] = await server.query<{ n: number }>(
      "SELECT (SELECT count(*) FROM pg_replication_slots)::int + (SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^stillpoint/[0-9a-z]{8}$')::int AS n",
    );
    return row?.n ?? -1;
  };
  const backup = (
    onLine?: (line: Line, pid: number) => void,
    args: readonly string[] = [server.url, '--to', folder.in('repository')],
  ) => stillpoint(['backup', ...args, '-o', 'ndjson'], { env, ...(onLine === undefined ? {} : { onLine }) });
  const listed = async (): Promise<number> => {
    const repository = await openDirectoryRepository(folder.in('repository'), {
      create: false,
      runner: await thisRunner(),
    });
    return (await Array.fromAsync(repository.list())).length;
  };

  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'] });
    await server.query(
      'CREATE TABLE filler AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 20000) g',
      [],
      'shop',
    );
    folder = await makeFolder();
    env = {
      STILLPOINT_USER: server.user,
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
      // What other tests have in Docker at this moment is not this one's to recover.
      DOCKER_HOST: 'unix:///nonexistent/docker.sock',
    };
    ledger = await startLedger(server.login('shop'));
    const whole = await backup();
    expect(whole.code, whole.stderr).toBe(0);
    moments = [...new Set(whole.lines.map(moment))].filter((it) => !it.startsWith('progress'));
  });
  afterAll(async () => {
    await ledger?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test('START-5 SIGKILL at every event: writers go on within 2 s, recover names and removes what is left, the next run succeeds', {
    timeout: 600_000,
  }, async () => {
    expect(moments).toEqual(
      expect.arrayContaining([
        'started',
        'step slot',
        'step backup-started',
        'holding',
        'held',
        'flushed',
        'cut',
        'resumed',
        'saved',
      ]),
    );
    for (const at of moments) {
      const before = await listed();
      const run = await backup((line, pid) => {
        if (moment(line) === at) process.kill(pid, 'SIGKILL');
      });
      await ledger.progress(2_000);
      // The last events come when the backup is whole already, and the process may end before the signal arrives.
      if (!WHOLE.has(at)) expect(run.signal, at).toBe('SIGKILL');

      const recovered = await stillpoint(['recover', '-o', 'ndjson'], { env });
      expect(recovered.code, `${at}: ${recovered.stderr}`).toBe(0);
      const found = recovered.lines.filter((it) => it.event === 'found').length;
      expect(
        recovered.lines.filter((it) => it.event === 'removed'),
        at,
      ).toHaveLength(found);
      expect(await leftOnServer(), at).toBe(0);
      const again = await stillpoint(['recover', '-o', 'ndjson'], { env });
      expect(
        again.lines.filter((it) => it.event === 'found'),
        at,
      ).toEqual([]);

      const half = (await listed()) - before;
      expect(half, at).toBe(WHOLE.has(at) ? 1 : 0);
      const next = await backup();
      expect(next.code, `${at}: ${next.stderr}`).toBe(0);
      expect(await listed(), at).toBe(before + half + 1);
    }
  });

  test('START-5 CUT-5 SIGSTOP inside the hold: the server ends the hold at its limit, and the run that wakes up fails', {
    timeout: 60_000,
  }, async () => {
    const limit = 2_000;
    await writeFile(
      folder.in('stillpoint.yaml'),
      `repositories:\n  local:\n    directory: ${folder.in('repository')}\njobs:\n  pg:\n    sources:\n      pg: "${server.url}"\n    hold: 2s\n    repository: local\n`,
    );
    const before = await listed();
    let stopped = 0;
    const running = backup(
      (line, pid) => {
        if (line.event !== 'held') return;
        stopped = pid;
        process.kill(pid, 'SIGSTOP');
      },
      ['pg', '-c', folder.in('stillpoint.yaml')],
    );
    while (stopped === 0) await sleep(5);
    await sleep(100);
    ledger.longestGap();
    // Writers are held now, by a runner that cannot let them go.
    await ledger.progress(limit + 2_000);
    expect(ledger.longestGap()).toBeGreaterThan(limit / 2);

    const recovered = await stillpoint(['recover', '-c', folder.in('stillpoint.yaml'), '-o', 'ndjson'], { env });
    expect(recovered.lines.some((it) => it.event === 'found' && it.kind === 'slot')).toBe(true);
    process.kill(stopped, 'SIGCONT');
    const run = await running;
    expect(run.code, run.stderr).toBe(7);
    expect(run.lines.at(-1)).toMatchObject({ event: 'failed', code: 'hold-lost' });
    expect(await listed()).toBe(before);
    await stillpoint(['recover', '-c', folder.in('stillpoint.yaml'), '-o', 'ndjson'], { env });
    expect(await leftOnServer()).toBe(0);
  });
});
