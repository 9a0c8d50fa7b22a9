import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { type Finished, type Line, makeFolder, stillpoint } from '../support/cli.ts';
import { startLedger } from '../support/ledger.ts';

/** What a tired DBA reads: what happened, what it means for the data, what to do next. */
function readsWell(run: Finished, exit: number, ...parts: readonly (string | RegExp)[]): void {
  const text = run.stderr.replaceAll(/\s+/g, ' ');
  expect(run.code, run.stderr).toBe(exit);
  for (const part of parts) expect(text).toMatch(part);
  expect(text).toMatch(
    /(Nothing was (touched|backed up|written|read)|No backup was made|must not be restored|Nothing was touched by this run)/,
  );
  expect(text).toMatch(/Next: \S/);
  expect(text).not.toMatch(/\bat \S+ \(.*:\d+:\d+\)/);
}

describe('failures, as a person meets them', () => {
  let server: Embedded;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let env: Record<string, string>;
  const run = (
    args: readonly string[],
    more: Record<string, string> = {},
    onLine?: (line: Line, pid: number) => void,
  ) => stillpoint(args, { env: { ...env, ...more }, ...(onLine === undefined ? {} : { onLine }) });

  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'] });
    await server.query(
      "CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 1000) g; CREATE ROLE little LOGIN PASSWORD 'little'",
      [],
      'shop',
    );
    folder = await makeFolder();
    env = {
      STILLPOINT_USER: server.user,
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
    };
    const first = await run(['backup', server.url, '--to', folder.in('repository')]);
    expect(first.code, first.stderr).toBe(0);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test('START-9 an unknown key in the configuration: the line, and the key that was meant', async () => {
    await writeFile(
      folder.in('stillpoint.yaml'),
      `repositories:\n  local:\n    directory: ${folder.in('repository')}\njobs:\n  shop:\n    sources:\n      pg: "${server.url}"\n    repositry: local\n`,
    );
    readsWell(
      await run(['backup', 'shop', '-c', folder.in('stillpoint.yaml')]),
      2,
      /repositry/,
      /line 8|:8\b/,
      /repository/,
    );
  });

  test('START-9 a server that is down', async () => {
    readsWell(
      await run(['backup', 'postgres://127.0.0.1:1', '--to', folder.in('repository')]),
      5,
      /127\.0\.0\.1:1/,
      /refused the connection/,
    );
  });

  test('START-9 a wrong password', async () => {
    await writeFile(folder.in('wrong'), 'not-the-password\n', { mode: 0o600 });
    const failed = await run(['backup', server.url, '--to', folder.in('repository')], {
      STILLPOINT_PASSWORD_FILE: folder.in('wrong'),
    });
    readsWell(failed, 5, /refused the login of postgres/, /STILLPOINT_PASSWORD_FILE/);
    expect(failed.stderr + failed.stdout).not.toContain('not-the-password');
  });

  test('START-9 a role without the privileges: which ones, before anything is touched', async () => {
    await writeFile(folder.in('little'), 'little\n', { mode: 0o600 });
    const url = server.url.replace('postgres@', '');
    readsWell(
      await run(['backup', url, '--to', folder.in('repository')], {
        STILLPOINT_USER: 'little',
        STILLPOINT_PASSWORD_FILE: folder.in('little'),
      }),
      4,
      /REPLICATION/,
      /shop/,
      /pg_backup_start/,
    );
  });

  test('START-9 an unknown backup', async () => {
    readsWell(await run(['show', 'zzzzzzzz', '--from', folder.in('repository')]), 6, /zzzzzzzz/, /stillpoint list/);
    readsWell(await run(['verify', 'zzzzzzzz', '--from', folder.in('repository')]), 6, /zzzzzzzz/);
  });

  test('START-9 a damaged manifest is never listed as good, and names its backup', async () => {
    const repository = folder.in('damaged');
    expect((await run(['backup', server.url, '--to', repository])).code).toBe(0);
    const [job = ''] = await readdir(join(repository, 'backups'));
    const [backup = ''] = (await readdir(join(repository, 'backups', job))).filter((it) => /^\d{8}T/.test(it));
    const path = join(repository, 'backups', job, backup, 'manifest.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(/"application"/, '"applicatiom"'));
    const id = backup.slice(-8);
    readsWell(await run(['verify', id, '--from', repository]), 9, new RegExp(id));
    const list = await run(['list', '--from', repository, '-o', 'json']);
    expect((JSON.parse(list.stdout) as { backups: unknown[] }).backups).toEqual([]);
    expect((await run(['list', '--from', repository])).stdout + list.stderr).toContain(id);
  });

  test('START-9 a second runner of the job at the same time is refused and told who runs', async () => {
    let second: Promise<Finished> | undefined;
    const first = await run(
      ['backup', server.url, '--to', folder.in('repository'), '-o', 'ndjson'],
      {},
      (line, pid) => {
        if (line.event !== 'step' || line.step !== 'slot') return;
        process.kill(pid, 'SIGSTOP');
        second = run(['backup', server.url, '--to', folder.in('repository')]);
        void second.then(() => process.kill(pid, 'SIGCONT'));
      },
    );
    expect(first.code, first.stderr).toBe(0);
    readsWell((await second) as Finished, 11, /process|pid/);
  });

  test('START-9 Ctrl-C in the window: writes flow first, then 130, and nothing is left', async () => {
    await using ledger = await startLedger(server.login('shop'));
    const stopped = await run(
      ['backup', server.url, '--to', folder.in('repository'), '-o', 'ndjson'],
      {},
      (line, pid) => {
        if (line.event === 'held') process.kill(pid, 'SIGINT');
      },
    );
    await ledger.progress(2_000);
    // The window lasts milliseconds: the signal may arrive when it is over, never with writes held.
    expect([130, 0]).toContain(stopped.code);
    expect(stopped.lines.some((it) => it.event === 'resumed')).toBe(true);
    const [left] = await server.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'stillpoint/%'",
    );
    expect(left?.n).toBe(0);
  });

  test('START-9 NDJSON follows its schema, off a terminal the text is plain, and both tell the same window', async () => {
    const ndjson = await run(['backup', server.url, '--to', folder.in('repository'), '-o', 'ndjson']);
    const schema = JSON.parse(
      await readFile(new URL('../../docs/events.schema.json', import.meta.url), 'utf8'),
    ) as object;
    const validate = new Ajv2020({ strict: false }).compile(schema);
    for (const line of ndjson.lines) expect(validate(line), JSON.stringify([line, validate.errors])).toBe(true);
    const text = await run(['backup', server.url, '--to', folder.in('repository')]);
    expect(text.stderr).not.toContain('\u001b');
    expect([...text.stderr].every((it) => it === '\n' || (it >= ' ' && it <= '~'))).toBe(true);
    expect(text.stderr).toMatch(/held +\|=+\| +\d+ ms\n +cut .*\n +resumed +writes flow; held \d+ ms/);
    for (const line of (text.stderr + text.stdout).split('\n'))
      expect(line.length).toBeLessThanOrEqual(Math.max(80, folder.path.length + 80));
    expect(text.stdout).toMatch(/Next: stillpoint verify/);
  });
});
