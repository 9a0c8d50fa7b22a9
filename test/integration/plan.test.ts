import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadRecipe } from '../../src/engines/load.ts';
import type { Manifest } from '../../src/model/manifest.ts';
import type { Plan } from '../../src/model/plan.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';

describe('plan', () => {
  let server: Embedded;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'], settings: { log_statement: 'all', log_line_prefix: '%a|' } });
    await server.query('CREATE TABLE orders (id int)', [], 'shop');
    folder = await makeFolder();
    env = {
      STILLPOINT_USER: server.user,
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: folder.in('state'),
    };
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });
  const json = async <T>(...args: string[]): Promise<T> => {
    const run = await stillpoint([...args, '-o', 'json'], { env });
    expect(run.code, run.stderr).toBe(0);
    return JSON.parse(run.stdout) as T;
  };
  /** Everything of a plan that does not change from one moment to the next. */
  const lasting = ({ id: _, sources, ...plan }: Plan) => ({
    ...plan,
    sources: sources.map(({ facts: __, needs: ___, ...source }) => source),
  });

  test('START-8 plan and backup -n print the same object, and it is what the run executes', async () => {
    const planned = await json<Plan>('plan', server.url);
    const dry = await json<Plan>('backup', server.url, '--to', folder.in('repository'), '-n');
    const made = await json<Manifest>('backup', server.url, '--to', folder.in('repository'));
    expect(lasting(dry)).toEqual(lasting(planned));
    expect(lasting(made.plan)).toEqual(lasting(planned));
    const { statements } = planned.sources[0] ?? { statements: {} };
    const log = await readFile(server.logFile, 'utf8');
    // What the recipe says is what the server heard: every statement without parameters stands in its log, word for word.
    for (const sql of Object.values(statements)
      .map(String)
      .filter((it) => !it.includes('{')))
      expect(log).toContain(sql);
    expect(log).toContain('LOCK TABLE ONLY "public"."orders" IN SHARE MODE');
  });

  test('START-8 a plan holds nothing and writes nothing', async () => {
    const before = (await readFile(server.logFile, 'utf8')).length;
    const writes = async () =>
      (
        await server.query<{ lsn: string; xid: string; locks: string }>(
          'SELECT pg_current_wal_insert_lsn()::text AS lsn, pg_snapshot_xmax(pg_current_snapshot())::text AS xid',
        )
      )[0];
    // A checkpoint, and nothing that runs by itself afterwards: what moves now was moved by the plan.
    await server.query('ALTER SYSTEM SET autovacuum = off');
    await server.query('SELECT pg_reload_conf()');
    await server.query('CHECKPOINT');
    const first = await writes();
    await json('plan', server.url);
    await json('backup', server.url, '--to', folder.in('nowhere'), '-n');
    expect(await writes()).toEqual(first);
    const log = (await readFile(server.logFile, 'utf8')).slice(before);
    const heard = [...log.matchAll(/^stillpoint\/[^|]*\|.*statement:\s*([^\n]*)/gm)].map((it) => it[1] ?? '');
    expect(heard.length).toBeGreaterThan(5);
    for (const sql of heard) expect(sql).toMatch(/^(SELECT|SET)\b/i);
    for (const sql of heard)
      expect(sql).not.toMatch(/^SELECT (pg_backup|pg_create|pg_switch|pg_logical_emit)|\bLOCK\b/i);
    await expect(readFile(folder.in('nowhere/stillpoint.json'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('START-8 CUT-5 the recipe covers versions 12 to 18 and is checked against its schema', async () => {
    const { data } = await loadRecipe('postgresql');
    const { statementsFor } = await import('../../src/engines/recipe.ts');
    const names = Object.keys(data.methods.copy?.statements ?? {});
    for (const major of [12, 13, 14, 15, 16, 17, 18])
      expect(Object.keys(statementsFor(data, 'copy', major)).sort()).toEqual([...names].sort());
    await expect(loadRecipe('./test/fixtures/recipes/server-scope-without-undo.yaml')).rejects.toMatchObject({
      code: 'recipe-invalid',
      message: expect.stringContaining('needs an undo'),
    });
    await expect(loadRecipe('./test/fixtures/recipes/unknown-key.yaml')).rejects.toMatchObject({
      code: 'recipe-invalid',
      message: expect.stringContaining('statments'),
    });
  });
});
