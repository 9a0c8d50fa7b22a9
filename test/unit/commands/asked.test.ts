import { describe, expect, test } from 'vitest';
import { askedFor, sourcesOf } from '../../../src/commands/asked.ts';
import type { Context } from '../../../src/commands/command.ts';
import { alike, completed, quote } from '../../../src/commands/next.ts';
import type { Options } from '../../../src/commands/options.ts';
import { choosePlace } from '../../../src/commands/place.ts';
import type { Config } from '../../../src/config/load.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { StillpointError } from '../../../src/model/errors.ts';

const options = { output: 'text' } as Options;

const data = parseConfig(
  `repositories:
  local: { directory: backups }
jobs:
  shop:
    sources:
      orders: docker:shop-pg
      legacy: { ref: "postgres://127.0.0.1:5432", method: copy, user: backup, password: { env: LEGACY } }
    hold: 5s
    onOverrun: downgrade
    coordinate: false
`,
  'x',
);
const config: Config = { path: '/etc/stillpoint/stillpoint.yaml', data };

/** What a command gets, as far as these functions look at it. */
const context = (found: Config | undefined = config, environment: Record<string, string> = { LEGACY: 's3cret' }) =>
  ({ config: async () => found, environment, folder: '/work' }) as unknown as Context;

describe('START-9: JOB or REF...', () => {
  test('references make a job that is named after them', async () => {
    const { request, configured } = await askedFor(context(), ['docker:shop-pg', 'docker:shop-cache'], options);
    expect(configured).toBeUndefined();
    expect(request).toMatchObject({
      job: 'shop-pg_shop-cache',
      coordinate: true,
      holdLimit: 10_000,
      onOverrun: 'fail',
    });
    expect(request.sources.map((it) => it.name)).toEqual(['shop-pg', 'shop-cache']);
  });

  test('two servers that would have one name are told apart', () => {
    const names = sourcesOf(['compose:a/pg', 'compose:b/pg', 'docker:pg'], options).map((it) => it.name);
    expect(new Set(names).size).toBe(3);
  });

  test('a job comes from the configuration, with its logins; --method goes over all', async () => {
    const { request } = await askedFor(context(), ['shop'], options);
    expect(request).toMatchObject({ job: 'shop', coordinate: false, holdLimit: 5_000, onOverrun: 'downgrade' });
    const [orders, legacy] = request.sources;
    expect(orders).toEqual({ name: 'orders', ref: { kind: 'docker', name: 'shop-pg' } });
    expect(legacy).toMatchObject({ method: 'copy', login: { user: 'backup' } });
    expect(legacy?.login?.password?.reveal()).toBe('s3cret');
    const forced = await askedFor(context(), ['shop'], { ...options, method: 'dump' });
    expect(forced.request.sources.map((it) => it.method)).toEqual(['dump', 'dump']);
  });

  test.each([
    [['shp'], 'not-found', "did you mean 'shop'?"],
    [['warehouse'], 'not-found', 'there are: shop.'],
    [['shop', 'other'], 'usage', 'Name one job'],
    [[], 'usage', 'Name a job'],
    [['docker:'], 'ref-invalid', 'docker:'],
  ])('%o is a mistake', async (args, code, says) => {
    const asked = askedFor(context(), args, options);
    await expect(asked).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
  });

  test('a job without a configuration says what to do', async () => {
    const without = { ...context(), config: async () => undefined } as Context;
    await expect(askedFor(without, ['shop'], options)).rejects.toMatchObject({ code: 'config-missing' });
  });
});

describe('START-9: which repository', () => {
  test('a folder, a configured name, or the only one there is', () => {
    expect(choosePlace(context(), config, '/b')).toEqual({ path: '/b' });
    expect(choosePlace(context(), undefined, 'b')).toEqual({ path: '/work/b' });
    const local = { path: '/etc/stillpoint/backups', configured: 'local' };
    expect(choosePlace(context(), config, 'local')).toEqual(local);
    expect(choosePlace(context(), config, undefined)).toEqual(local);
    expect(choosePlace(context(), config, undefined, 'local')).toEqual(local);
  });

  test('a misspelt name does not become a folder', () => {
    expect(() => choosePlace(context(), config, 'lokal')).toThrow("did you mean 'local'?");
    expect(choosePlace(context(), config, './lokal')).toEqual({ path: '/work/lokal' });
  });

  test('none named and none configured, or several', () => {
    expect(() => choosePlace(context(), undefined, undefined)).toThrow('No repository is named.');
    const two = { ...data, repositories: { ...data.repositories, offsite: { directory: '/c' } } };
    expect(() => choosePlace(context(), { ...config, data: two }, undefined)).toThrow('local, offsite');
  });

  test('the next command says what this one said, quoted for a shell', () => {
    expect(alike({}, options)).toBe('');
    expect(alike({}, { ...options, to: '/my backups', config: 'a.yaml' })).toBe(" --from '/my backups' -c a.yaml");
    expect(alike({ STILLPOINT_REPOSITORY: '/b' }, { ...options, from: '/b' })).toBe('');
    const error = new StillpointError('restore-failed', 'x');
    const typed = { args: ['7f3k'], options: { ...options, from: '/b' }, environment: {} };
    expect(completed(error, typed).next).toBe('stillpoint check 7f3k --from /b   # are the stored bytes whole?');
    const other = new StillpointError('login-refused', 'x');
    expect(completed(other, typed)).toBe(other);
    expect(quote("it's")).toBe("'it'\\''s'");
  });
});
