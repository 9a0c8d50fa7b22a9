import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { eventSchema } from '../../../src/output/schema/events.ts';

const CLI = fileURLToPath(new URL('../../../bin/stillpoint.cjs', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillpoint-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the command line in an empty folder, away from the tester's own configuration and state. */
function stillpoint(line: string, environment: Record<string, string> = {}) {
  return new Promise<{ exit: number; out: string; err: string }>((resolve) => {
    const env = { PATH: process.env.PATH, HOME: folder, STILLPOINT_STATE: join(folder, 'state'), ...environment };
    const args = line === '' ? [] : line.split(' ');
    const child = execFile(process.execPath, [CLI, ...args], { cwd: folder, env }, (_, out, err) =>
      resolve({ exit: child.exitCode ?? -1, out, err }),
    );
  });
}

describe('START-9: failures of the command line, from outside', () => {
  test.each([
    ['bakup', 2, 'usage'],
    ['backup', 2, 'usage'],
    ['backup docker --to b', 2, 'config-missing'],
    ['backup postgres://u:hunter2@localhost --to b', 2, 'ref-password'],
    ['backup postgres://127.0.0.1:1 --to b', 5, 'unreachable'],
    ['plan postgres://127.0.0.1:1', 5, 'unreachable'],
    ['list', 2, 'usage'],
    ['list --from none', 10, 'repository-missing'],
    ['show latest --from none', 10, 'repository-missing'],
    ['verify --from none', 10, 'repository-missing'],
    ['check --from none', 10, 'repository-missing'],
    ['restore latest --from none --files out', 10, 'repository-missing'],
    ['restore latest --from none', 2, 'usage'],
    ['config show', 2, 'config-missing'],
    ['config show -c none.yaml', 2, 'config-missing'],
    ['recipe show nosql', 2, 'recipe-invalid'],
    ['recipe validate ./none.yaml', 2, 'recipe-invalid'],
  ])('%s exits with %d, %s', async (line, exit, code) => {
    const { exit: found, out, err } = await stillpoint(line);
    expect({ found, out }, err).toEqual({ found: exit, out: '' });
    expect(err).toContain(`Failed (${code}): `);
    expect(err).toMatch(/\nNext: \S/);
    expect(err).not.toContain('hunter2');
    for (const each of err.split('\n').filter((it) => !it.startsWith('Next: stillpoint')))
      expect(each.length, each).toBeLessThanOrEqual(80);
  });

  test('are a document with -o json, and a line with -o ndjson', async () => {
    const [json, ndjson] = await Promise.all(['json', 'ndjson'].map((it) => stillpoint(`list --from none -o ${it}`)));
    for (const result of [json, ndjson])
      expect(eventSchema.parse(JSON.parse(result?.out ?? ''))).toMatchObject({ event: 'failed', exit: 10 });
    expect(json?.err).toContain('Failed (repository-missing)');
    expect(ndjson?.err).toBe('');
  });

  test('a server that takes the connection and never answers does not keep us', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      const began = performance.now();
      const { exit } = await stillpoint(`backup postgres://127.0.0.1:${port} --to b`);
      expect(exit).toBe(5);
      expect(performance.now() - began).toBeLessThan(20_000);
    } finally {
      server.close();
    }
  });

  test.each(['plan', 'backup'])('Ctrl-C while %s waits for a server: 130 at once', async (verb) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      const args = [CLI, verb, `postgres://127.0.0.1:${port}`, ...(verb === 'backup' ? ['--to', 'b'] : [])];
      const env = { PATH: process.env.PATH, HOME: folder, STILLPOINT_STATE: join(folder, 'state') };
      const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
      await once(server, 'connection');
      const began = performance.now();
      child.kill('SIGINT');
      const err = await text(child.stderr);
      if (child.exitCode === null) await once(child, 'exit');
      expect(child.exitCode, err).toBe(130);
      expect(performance.now() - began).toBeLessThan(2_000);
      expect(err).toContain('Failed (interrupted): Interrupted.');
    } finally {
      server.close();
    }
  });

  test('a mistake in the configuration is named with its line', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'jobs:\n  shop:\n    source: {}\n');
    const { exit, err } = await stillpoint('backup shop -c bad.yaml');
    expect(exit).toBe(2);
    expect(err.replaceAll(/\s+/g, ' ')).toContain(
      "bad.yaml, line 3: unknown key 'source' in jobs.shop; did you mean 'sources'?",
    );
  });
});

describe('START-9: verbs that need no server', () => {
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  test('config validate and config show: defaults, never secrets', async () => {
    write(
      'good.yaml',
      'repositories: { local: { directory: b } }\njobs: { shop: { sources: { a: { ref: docker:a, password: hunter2 } } } }\n',
    );
    expect((await stillpoint('config validate -c good.yaml')).out).toContain('good.yaml is valid.');
    const { out } = await stillpoint('config show -c good.yaml');
    expect(out).not.toContain('hunter2');
    expect(parse(out).jobs.shop).toMatchObject({ hold: '10s', sources: { a: { password: '(secret)' } } });
    expect(JSON.parse((await stillpoint('config show -c good.yaml -o json')).out).config.jobs.shop.hold).toBe('10s');
  });

  test('config schema is JSON in every format', async () => {
    expect(JSON.parse((await stillpoint('config schema')).out).title).toBe('stillpoint.yaml');
    expect(JSON.parse((await stillpoint('config schema -o json')).out).title).toBe('stillpoint.yaml');
  });

  test('recipes are listed, shown, granted and validated', async () => {
    expect((await stillpoint('recipe list')).out).toMatch(/^postgresql +\d/m);
    expect((await stillpoint('recipe show postgresql')).out).toContain('engine: postgresql');
    expect((await stillpoint('recipe show postgresql --grants')).out).toMatch(/^CREATE ROLE .*;$/m);
    expect((await stillpoint('recipe validate postgresql')).out).toContain('is valid');
  });

  test('init writes a valid configuration and a key of mode 0600, and never over another', async () => {
    const first = await stillpoint('init -c new.yaml');
    expect(first, first.err).toMatchObject({ exit: 0 });
    for (const name of ['new.yaml', 'new.key']) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect((await stillpoint('config validate -c new.yaml')).exit).toBe(0);
    const key = readFileSync(join(folder, 'new.key'), 'utf8');
    const again = await stillpoint('init -c new.yaml');
    expect({ exit: again.exit, key: readFileSync(join(folder, 'new.key'), 'utf8') }).toEqual({ exit: 2, key });
    expect(again.err).toMatch(/is there\s+already/);
    rmSync(join(folder, 'new.key'));
    expect((await stillpoint('init -c new.yaml')).exit).toBe(2);
    expect(existsSync(join(folder, 'new.key'))).toBe(false);
  });

  test('recover in a world without leftovers', async () => {
    const { exit, out } = await stillpoint('recover', {
      STILLPOINT_SCRATCH: join(folder, 'scratch'),
      // A world of its own: what other tests have in Docker at this moment is not its.
      DOCKER_HOST: 'unix:///nonexistent/docker.sock',
    });
    expect({ exit, out }).toEqual({
      exit: 0,
      out: 'Nothing was left behind by earlier runs; writes flow.\nNext: stillpoint list\n',
    });
  });
});
