import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inertSettings } from '../../../src/config/inert.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { Secret } from '../../../src/model/secret.ts';

/** The example of the interface, to the letter, with hooks in both of their forms. */
const EXAMPLE = `
repositories:
  local:
    directory: /var/backups/stillpoint
    encryption:
      recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
      identity: { file: /etc/stillpoint/key }   # verify, gate and restore need it
jobs:
  shop:
    sources:
      orders:  compose:shop/postgres
      catalog: { ref: compose:shop/mysql, method: dump }
      legacy:  { ref: "postgres://127.0.0.1:5432", user: backup, password: { file: /run/secrets/legacy } }
    hold: 10s                # the server ends it
    onOverrun: fail          # fail | downgrade
    repository: local
    verify: { after: backup, queries: [ { source: orders, sql: "select count(*) > 0 from orders" } ] }   # or every: 7d
    keep: { last: 3, daily: 7, weekly: 4, monthly: 12 }
    limits: { streams: 2, rate: 100MB/s }
    hooks: { before: [[systemctl, stop, shop]], held: [[sync]], after: [{ run: [systemctl, start, shop], timeout: 30s }], failed: [[mail]] }
`;

/** What a user reads when this is the file. */
function mistakes(text: string): string {
  try {
    parseConfig(text, 'stillpoint.yaml');
  } catch (error) {
    return `\n${(error as Error).message}\n`;
  }
  throw new Error('it was accepted');
}

const job = (lines: string): string => `jobs:\n  shop:\n    sources: { orders: docker:pg }\n${lines}`;

describe('START-9: the configuration', () => {
  test('the example of the interface is valid, and is understood', () => {
    const { shop } = parseConfig(EXAMPLE, 'stillpoint.yaml').jobs;
    expect(shop).toMatchObject({
      sources: { orders: { ref: 'compose:shop/postgres' }, catalog: { ref: 'compose:shop/mysql', method: 'dump' } },
      coordinate: true,
      hold: 10_000,
      onOverrun: 'fail',
      limits: { streams: 2, rate: 104_857_600 },
      hooks: { after: [{ run: ['systemctl', 'start', 'shop'], timeout: 30_000 }] },
    });
  });

  test('what is left out has its default', () => {
    expect(parseConfig(job(''), 'x').jobs.shop).toMatchObject({ coordinate: true, hold: 10_000, onOverrun: 'fail' });
    expect(parseConfig('', 'x')).toEqual({ repositories: {}, jobs: {}, snapshotters: {}, recipes: {} });
  });

  test('DOCK-7 a snapshotter by programs: a misspelt placeholder and half of a pair are mistakes', () => {
    const zfs = `snapshotters:
  tank:
    covers: /tank/pg
    create: [zfs, snapshot, 'tank/pg@{name}']
    find: [zfs, list, -H, -t, snapshot, -o, name, tank/pg]
    remove: [zfs, destroy, 'tank/pg@{name}']
    keep: [zfs, rename, 'tank/pg@{name}', 'tank/pg@{kept}']
    files: /tank/pg/.zfs/snapshot/{name}
`;
    expect(parseConfig(zfs, 'x').snapshotters.tank).toMatchObject({ covers: '/tank/pg', timeout: 30_000 });
    expect(mistakes(zfs.replace("destroy, 'tank/pg@{name}'", "destroy, 'tank/pg@{nmae}'"))).toMatchInlineSnapshot(`
      "
      stillpoint.yaml, line 6: snapshotters.tank.remove: there is no {nmae}; there are {name}, {kept}, {run}, {covers}, {files}.
      "
    `);
    expect(mistakes(`${zfs}    open: [mount, '{files}']\n`)).toMatchInlineSnapshot(`
      "
      stillpoint.yaml, line 2: snapshotters.tank: name both open and close, or neither.
      "
    `);
    expect(mistakes(zfs.replace('/tank/pg\n', 'tank\n'))).toMatchInlineSnapshot(`
      "
      stillpoint.yaml, line 3: snapshotters.tank.covers: write an absolute path.
      "
    `);
  });

  test('DOCK-7 the examples of docs/snapshots.md are valid, and those that were not run say so', async () => {
    const text = await readFile(new URL('../../../docs/snapshots.md', import.meta.url), 'utf8');
    const examples = [...text.matchAll(/^### (.*)\n[^#]*?```yaml\n([\s\S]*?)```/gm)];
    expect(examples.map(([, title]) => title)).toEqual([
      'btrfs by hand (tested)',
      'ZFS (an example; not run here)',
      'LVM (an example; not run here)',
      'A storage array (an example; not run here)',
    ]);
    for (const [, title, yaml = ''] of examples)
      expect(Object.keys(parseConfig(yaml, title ?? '').snapshotters)).toHaveLength(1);
  });

  test('an unknown key names the nearest known one, the file and the line', () => {
    expect(mistakes(job('    repositry: local\n'))).toMatchInlineSnapshot(`
      "
      stillpoint.yaml, line 4: unknown key 'repositry' in jobs.shop; did you mean 'repository'?
      "
    `);
  });

  test('all mistakes are told at once, in the order of the file', () => {
    expect(
      mistakes(`repositories:
  local: { directory: /backups, encrypt: true }
jobs:
  shop:
    sources:
      orders: { ref: docker:pg, metod: dump }
      catalog: { password: { fil: /run/secret } }
      cache: redis
    hold: 45s
    onOverrun: ignore
    limits: { streams: many, rate: fast }
    coordinate: "no"
    keep: { last: -1 }
`),
    ).toMatchInlineSnapshot(`
      "
      stillpoint.yaml has 10 mistakes:
      line 2: unknown key 'encrypt' in repositories.local; did you mean 'encryption'?
      line 6: unknown key 'metod' in jobs.shop.sources.orders; did you mean 'method'?
      line 7: unknown key 'fil' in jobs.shop.sources.catalog.password; did you mean 'file'?
      line 7: jobs.shop.sources.catalog.ref: is missing
      line 9: jobs.shop.hold: the longest hold is 30s
      line 10: jobs.shop.onOverrun: must be one of fail, downgrade
      line 11: jobs.shop.limits.streams: must be a number
      line 11: jobs.shop.limits.rate: write 100MB/s
      line 12: jobs.shop.coordinate: must be true or false
      line 13: jobs.shop.keep.last: must be 0 or more
      "
    `);
  });

  test('an unknown key that is near to none is told what is known', () => {
    expect(mistakes('everything: true\n')).toMatchInlineSnapshot(`
      "
      stillpoint.yaml, line 1: unknown key 'everything'; known here: repositories, jobs, snapshotters, recipes.
      "
    `);
  });

  test('rules between keys', () => {
    expect(
      mistakes(`repositories:
  local: { directory: /a }
  offsite: { directory: /b }
jobs:
  shop:
    sources: { orders: "postgres://localhost:5432", again: "postgresql://localhost" }
    repository: lokal
    verify: { queries: [{ source: order, sql: select 1 }] }
  other:
    sources: {}
`),
    ).toMatchInlineSnapshot(`
      "
      stillpoint.yaml has 5 mistakes:
      line 6: 'again' and 'orders' are the same server, postgres://localhost:5432
      line 7: there is no repository 'lokal'; did you mean 'local'?
      line 8: verify.queries names the source 'order', which job shop does not have; did you mean 'orders'?
      line 9: jobs.other: name its repository, one of local, offsite
      line 10: jobs.other.sources is empty: nothing would be backed up
      "
    `);
  });

  test('a password in a reference is refused, and not repeated', () => {
    const text = mistakes('jobs: { shop: { sources: { orders: "postgres://u:hunter2@localhost" } } }');
    expect(text).toContain('carries a password');
    expect(text).not.toContain('hunter2');
  });

  test.each([
    ['not YAML', 'jobs: [\n', 'line'],
    ['a key twice', 'jobs: {}\njobs: {}\n', 'line 2'],
    ['not a map', '- a\n', 'must be a map'],
    ['a number for a password', job('').replace('docker:pg', '{ ref: docker:pg, password: 5 }'), 'password'],
    ['a bad name', 'jobs: { "../x": { sources: { a: docker:a } } }', 'letters, digits'],
    ['a hold that is none', job('    hold: 10\n'), 'put it in quotes'],
    ['recipients and a passphrase', 'repositories: { a: { directory: a, encryption: {} } }', 'name recipients, or a'],
    ['a short hold', job('    hold: 1ms\n'), 'shortest'],
  ])('%s', (_, text, says) => {
    expect(mistakes(text)).toContain(says);
  });

  test('a secret written in the file cannot be printed', () => {
    const text = job('').replace('docker:pg', '{ ref: docker:pg, password: hunter2 }');
    const config = parseConfig(text, 'x');
    const [orders] = Object.values(config.jobs.shop?.sources ?? {});
    expect(orders && 'password' in orders && orders.password).toBeInstanceOf(Secret);
    expect(JSON.stringify(config)).not.toContain('hunter2');
  });

  test('it is looked for where it was said to be, then here', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stillpoint-config-'));
    try {
      await expect(loadConfig('none.yaml', folder)).rejects.toMatchObject({ code: 'config-missing' });
      await writeFile(join(folder, 'stillpoint.yaml'), EXAMPLE);
      const found = await loadConfig(undefined, folder);
      expect(found?.path).toBe(join(folder, 'stillpoint.yaml'));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('CUT-9 a hook is an argv, plain or with a time-out; only one that runs before may drain', () => {
    const hooks = parseConfig(EXAMPLE, 'x').jobs.shop?.hooks;
    expect(hooks?.before).toEqual([{ run: ['systemctl', 'stop', 'shop'], timeout: 30_000, drains: false }]);
    const drain = parseConfig(job('    hooks: { before: [{ run: [drain], drains: true, timeout: 5m }] }\n'), 'x');
    expect(drain.jobs.shop?.hooks?.before).toEqual([{ run: ['drain'], timeout: 300_000, drains: true }]);
    expect(mistakes(job('    hooks: { before: ["systemctl stop shop"] }\n'))).toContain('line 4');
    expect(mistakes(job('    hooks: { after: [{ run: [start], drains: true }] }\n'))).toContain('drains');
  });

  test('what has no effect yet is told', () => {
    const data = parseConfig(EXAMPLE, 'x');
    const { shop } = data.jobs;
    if (!shop) throw new Error('the example has changed');
    expect(inertSettings(shop).map((it) => it.code)).toEqual(['limits-inert', 'verify-inert']);
    const plain = parseConfig(job(''), 'x');
    if (!plain.jobs.shop) throw new Error('the job has gone');
    expect(inertSettings(plain.jobs.shop)).toEqual([]);
  });
});
