import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveLogin } from '../../../src/config/login.ts';
import { type Environment, readSecret } from '../../../src/config/secrets.ts';
import { loadRecipe } from '../../../src/engines/load.ts';
import type { Recipe } from '../../../src/engines/recipe.ts';
import { parseRef } from '../../../src/model/ref.ts';
import { type Login, Secret } from '../../../src/model/secret.ts';

let folder: string;
let recipe: Recipe;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-login-'));
  recipe = await loadRecipe('postgresql');
  await writeFile(join(folder, 'password'), 'from a file\n');
});
afterAll(() => rm(folder, { recursive: true }));

async function loggedIn(environment: Environment, login?: Partial<Login>, ref = 'postgres://127.0.0.1:5432') {
  const source = { name: 'orders', ref: parseRef(ref), ...(login ? { login } : {}) };
  const { user, password, database } = await resolveLogin(source, recipe, environment);
  return [user, password?.reveal(), database];
}

describe('START-9: the login', () => {
  test('each part comes from the first that has it', async () => {
    const client = { PGUSER: 'pguser', PGPASSWORD: 'pgpassword', PGDATABASE: 'pgdatabase' };
    const own = { STILLPOINT_USER: 'su', STILLPOINT_PASSWORD: 'sp' };
    const configured = { user: 'cu', password: new Secret('cp') };
    expect(await loggedIn({})).toEqual(['postgres', undefined, undefined]);
    expect(await loggedIn(client)).toEqual(['pguser', 'pgpassword', 'pgdatabase']);
    expect(await loggedIn({ ...client, ...own })).toEqual(['su', 'sp', 'pgdatabase']);
    expect(await loggedIn(own, undefined, 'postgres://ru@127.0.0.1')).toEqual(['ru', 'sp', undefined]);
    expect(await loggedIn({ ...client, ...own }, configured)).toEqual(['cu', 'cp', 'pgdatabase']);
    expect(await loggedIn(own, { user: 'cu' })).toEqual(['cu', 'sp', undefined]);
  });

  test('a secret may be in a file, whose last newline is not part of it', async () => {
    const environment = { STILLPOINT_PASSWORD_FILE: join(folder, 'password') };
    expect(await loggedIn(environment)).toEqual(['postgres', 'from a file', undefined]);
  });

  test('both at once are a mistake, not a choice', async () => {
    const environment = { STILLPOINT_PASSWORD: 'x', STILLPOINT_PASSWORD_FILE: join(folder, 'password') };
    await expect(loggedIn(environment)).rejects.toMatchObject({ code: 'usage' });
  });

  test('a file that is not there says whose it was', async () => {
    const from = { folder, environment: {}, what: 'The password of orders' };
    const read = readSecret({ file: 'none' }, from);
    await expect(read).rejects.toThrow(/^The password of orders: the file .*none cannot be read/);
    await expect(readSecret({ env: 'NONE' }, from)).rejects.toThrow(/NONE is not set/);
    expect((await readSecret({ file: 'password' }, from)).reveal()).toBe('from a file');
    expect((await readSecret({ env: 'X' }, { ...from, environment: { X: 'y' } })).reveal()).toBe('y');
  });
});
