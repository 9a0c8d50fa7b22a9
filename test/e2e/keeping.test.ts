import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';

interface Line {
  readonly id: string;
  readonly verification?: { readonly good: boolean };
  readonly pinned?: true;
}

describe('what becomes of backups', () => {
  let server: Embedded;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  const run = async (...args: string[]) =>
    stillpoint(args, {
      env: {
        STILLPOINT_USER: server.user,
        STILLPOINT_PASSWORD_FILE: server.passwordFile,
        STILLPOINT_STATE: folder.in('state'),
        STILLPOINT_SCRATCH: folder.in('scratch'),
        STILLPOINT_CONFIG: folder.in('stillpoint.yaml'),
      },
    });
  const good = async (...args: string[]) => {
    const done = await run(...args);
    expect(done.code, done.stderr).toBe(0);
    return done;
  };
  const listed = async (repository: string): Promise<readonly Line[]> =>
    (JSON.parse((await good('list', '--from', repository, '-o', 'json')).stdout) as { backups: Line[] }).backups;

  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'] });
    folder = await makeFolder();
    await writeFile(
      folder.in('stillpoint.yaml'),
      `repositories:
  local: { directory: ${folder.in('local')} }
  usb: { directory: ${folder.in('usb')} }
jobs:
  nightly:
    sources: { pg: "${server.url}" }
    repository: local
    copies: [usb]
    verify: { after: backup }
    keep: { last: 1 }
  plain:
    sources: { pg: "${server.url}" }
    repository: local
`,
    );
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test('STORE-6 STORE-5 a job copies, verifies and forgets after its backup, and says so', {
    timeout: 120_000,
  }, async () => {
    const first = await good('backup', 'nightly');
    expect(first.stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /Copied to usb\. Verified: the restored copy is identical.* Not encrypted\. Next: stillpoint show/,
    );
    const [kept] = await listed('local');
    expect(kept?.verification).toMatchObject({ good: true });
    const second = await good('backup', 'nightly');
    expect(second.stdout).toContain(`Removed by the keep rules: ${kept?.id}.`);
    expect(await listed('local')).toHaveLength(1);
    const list = (await good('list', '--from', 'local')).stdout.replaceAll(/\s+/g, ' ');
    expect(list).toContain('Also in usb: all of them.');
    expect(list).toMatch(/job nightly: 3-2-1 is not met: 3 copies \(the server, local, usb\).*Missing: .*one off-site/);
    expect((await good('config', 'validate')).stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /job nightly: pg 3-2-1 is not met/,
    );
    // The copies are another repository's: its backups stay until that one is told to forget.
    expect(await listed('usb')).toHaveLength(2);
  });

  test('STORE-6 a copy is verified from where it lies, when the first repository is gone', {
    timeout: 120_000,
  }, async () => {
    await good('backup', 'plain');
    const elsewhere = folder.in('elsewhere');
    const copied = await good('copy', 'plain@latest', '--from', 'local', '--to', elsewhere);
    expect(copied.stdout).toMatch(/^Copied [0-9a-z]{8} to /);
    await good('verify', 'latest', '--from', elsewhere);
    expect((await run('copy', 'plain@latest', '--from', 'local')).code).toBe(2);
    expect((await run('copy', 'zzzzzzzz', '--from', 'local', '--to', elsewhere)).code).toBe(6);
  });

  test('STORE-5 forget -n shows what and why and removes nothing; a pinned one stays until it is let go', {
    timeout: 120_000,
  }, async () => {
    for (let n = 0; n < 2; n++) await good('backup', 'plain');
    const before = (await listed('local')).length;
    const oldest = (await listed('local')).at(-1)?.id ?? '';
    await good('pin', oldest, '--from', 'local');
    const shown = await good('forget', 'plain', '-n', '--keep', 'last=1');
    expect(shown.stdout).toMatch(/would go {2}[0-9a-z]{8} .*not kept by last 1/);
    expect(shown.stdout).toMatch(/nothing was, in/);
    expect(await listed('local')).toHaveLength(before);
    await good('forget', 'plain', '--keep', 'last=1');
    const after = await listed('local');
    expect(after.map((it) => it.id)).toContain(oldest);
    expect(after.length).toBeLessThan(before);
    await good('pin', oldest, '--off', '--from', 'local');
    expect((await listed('local')).find((it) => it.id === oldest)?.pinned).toBeUndefined();
    const wrong = await run('forget', 'plain', '--keep', 'lst=1');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/'lst=1' is not a rule/);
  });
});
