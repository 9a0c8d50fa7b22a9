import { describe, expect, test } from 'vitest';
import { answerText } from '../../../src/output/answers/index.ts';
import { type Look, paint } from '../../../src/output/look.ts';
import type { Answer, Bodies } from '../../../src/output/results.ts';
import { backupLine, differing, facts, manifest, plan, together, verified } from './documents.ts';

process.env.TZ = 'UTC';

const look: Look = {
  width: 80,
  paint: paint(false),
  now: () => Date.parse('2026-11-21T04:00:00Z'),
  verbose: false,
};

function shown<A extends Answer>(answer: A, body: Bodies[A]): string {
  const lines = answerText({ answer, body }, look);
  for (const line of lines) {
    expect(line.length, line).toBeLessThanOrEqual(80);
    expect(line).toMatch(/^[\x20-\x7e]*$/);
  }
  return `\n${lines.join('\n')}\n`;
}

describe('START-9: results as text', () => {
  test('backup', () => {
    expect(shown('backup', manifest)).toMatchInlineSnapshot(`
      "

      Saved 7f3k9q2m (job shop), 1.2G in 31 s.
      "
    `);
    expect(shown('backup', together)).toContain('Both at one instant.');
    const apart = { ...together, coordination: { claimed: false, skew: 140, reasons: [] } };
    expect(shown('backup', apart)).toContain('Not at one instant: up to 140 ms apart.');
  });

  test('plan', () => {
    expect(shown('plan', plan)).toMatchInlineSnapshot(`
      "
      Plan for shop: 1 source, writes held 10 s at most; the server ends it.

      orders: PostgreSQL 17.6 by copy, 4.1G, level application
        ok       privileges: stillpoint: REPLICATION, pg_maintain
        missing  space: 4.1G needed, 12M free in /var/backups

      Before the window; writers notice nothing but what is said
         1  copy the files while writers go on

      In the window
         2  hold writes (at most 10 s)
              LOCK TABLE {tables} IN SHARE MODE
            blocks: INSERT, UPDATE, DELETE, TRUNCATE and ALTER TABLE wait; reads do
            not
         3  let writes go
              ROLLBACK

      After the window; writes flow
         4  store the log up to the point

      This was a plan: nothing was held and nothing was written.
      "
    `);
  });

  test('list', () => {
    const old = { ...backupLine, id: '5m2qa81c', at: '2026-11-01T02:00:00Z', plainBytes: 1, storedBytes: 1 };
    const { heldMillis: _, verification: __, ...fresh } = { ...backupLine, id: '9c1d02xf' };
    const bad = { ...old, id: '00000000', verification: { at: '2026-11-02T02:00:00Z', good: false } };
    const sources = [
      ...backupLine.sources,
      { name: 'cache', engine: 'redis', version: '7', method: 'snapshot' as const },
    ];
    expect(
      shown('list', {
        repository: '/var/backups/stillpoint',
        encrypted: false,
        backups: [fresh, backupLine, { ...old, job: 'postgres-127.0.0.1-5432', sources }, bad],
        damaged: [{ where: 'backups/shop/20261101T020000Z-aaaaaaaa/manifest.json', text: 'it is empty' }],
        elsewhere: [
          { repository: 'usb', holds: ['9c1d02xf', '7f3k9q2m'] },
          { repository: 'vault', holds: [], problem: 'There is no repository in /mnt/vault.' },
        ],
        rules: [{ job: 'shop', met: false, text: '3-2-1 is not met: 2 of 3 copies (the server, local).' }],
      }),
    ).toMatchInlineSnapshot(`
      "
      ID        WHEN              SOURCES        LEVEL        VERIFIED   HELD  SIZE

      job shop
      9c1d02xf  2026-11-21 02:00  PostgreSQL     application  never         -  1.2G
      7f3k9q2m  2026-11-21 02:00  PostgreSQL     application  28 h ago  58 ms  1.2G
      00000000  2026-11-01 02:00  PostgreSQL     application  DIFFERS   58 ms    1B

      job postgres-127.0.0.1-5432
      5m2qa81c  2026-11-01 02:00  PostgreSQL +1  application  28 h ago  58 ms    1B

      4 backups, 2.4G, in /var/backups/stillpoint (not encrypted).
      Also in usb: 2, not 5m2qa81c and 00000000.
      Also in vault: not known: There is no repository in /mnt/vault.
      job shop: 3-2-1 is not met: 2 of 3 copies (the server, local).
      DAMAGED backups/shop/20261101T020000Z-aaaaaaaa/manifest.json: it is empty
      "
    `);
  });

  test('list of nothing', () => {
    const body = { repository: '/backups', encrypted: false, backups: [], damaged: [], elsewhere: [], rules: [] };
    expect(shown('list', body)).toBe('\nNo backups in /backups.\n');
  });

  test('show', () => {
    const repository = '/var/backups/stillpoint';
    expect(shown('show', { repository, manifest, verifications: [verified] })).toMatchInlineSnapshot(`
      "
      7f3k9q2m: job shop, 2026-11-21 02:00, 31 s, in /var/backups/stillpoint

      orders: PostgreSQL 17.6 by copy
        from       postgres://127.0.0.1:5432
        level      application, claimed
                   held 58 ms by pid 4711 since 02:00:20; the transaction snapshot did
                     not change
        cut        restore point stillpoint-7f3k9q2m at 0/3000148
        excluded   shop.public.sessions: unlogged tables are empty after a physical
                     restore
        stored     orders.base.tar             4.1G ->  1.2G
                   orders.wal.tar               32M ->  1.8M
                   orders.fingerprint.ndjson    22K ->  2.3K

        held       |==================================================|      58 ms
        cut                                           ^^^^                 in 3 ms
        resumed    writes flow; held 58 ms

      Verified 2026-11-21 03:00: restored with /usr/lib/postgresql/17/bin; 12 tables,
        228,003 rows, 141 other objects identical.
      "
    `);
    expect(shown('show', { repository, manifest, verifications: [] })).toContain('Never verified');
    expect(shown('show', { repository, manifest: together, verifications: [differing] })).toMatchInlineSnapshot(`
      "
      7f3k9q2m: job shop, 2026-11-21 02:00, 31 s, in /var/backups/stillpoint

      orders: PostgreSQL 17.6 by copy
        from       postgres://127.0.0.1:5432
        level      application, claimed
                   held 58 ms by pid 4711 since 02:00:20; the transaction snapshot did
                     not change
        cut        restore point stillpoint-7f3k9q2m at 0/3000148
        excluded   shop.public.sessions: unlogged tables are empty after a physical
                     restore
        stored     orders.base.tar             4.1G ->  1.2G
                   orders.wal.tar               32M ->  1.8M
                   orders.fingerprint.ndjson    22K ->  2.3K

      cache: Redis 7.0.15 by snapshot
        from       docker:shop-cache
        level      application, claimed
                   held 58 ms by pid 4711 since 02:00:20; the transaction snapshot did
                     not change
        cut        restore point stillpoint-7f3k9q2m at 0/3000148
        stored     cache.data.tar    38M ->   31M

        held       orders  |==========================================|      58 ms
                   cache   not held
        cut                                              ^^             2 ms apart
        resumed    writes flow; no source was held longer than 58 ms
        one instant: yes

      DIFFERS 2026-11-21 03:00: 1 difference in 12 tables, 228,003 rows, 141 other
        objects.
        table shop.public.prices has 18,199 rows restored, 18,204 at the cut
      "
    `);
  });

  test('verify', () => {
    expect(shown('verify', { id: '7f3k9q2m', job: 'shop', verification: verified })).toMatchInlineSnapshot(`
      "

      Verified 7f3k9q2m in 3.1 s: the restored copy is identical to what was captured.
      Level application.
      "
    `);
    expect(shown('verify', { id: '7f3k9q2m', job: 'shop', verification: differing })).toMatchInlineSnapshot(`
      "

      7f3k9q2m DIFFERS from what was captured: 1 difference. Do not rely on it.
        table shop.public.prices has 18,199 rows restored, 18,204 at the cut
        The source was not touched and writes flow.
      "
    `);
  });

  test('more differences than fit are counted', () => {
    const [one] = differing.differences;
    if (!one) throw new Error('the documents have changed');
    const differences = Array.from({ length: 40 }, (_, at) => ({ ...one, name: `t${at}` }));
    const text = shown('verify', { id: '7f3k9q2m', job: 'shop', verification: { ...differing, differences } });
    expect(text.split('\n').length).toBeLessThan(20);
    expect(text).toContain('and 28 more; -o json has all');
  });

  test('check', () => {
    const backup = { id: '7f3k9q2m', job: 'shop', storedBytes: 1_290_335_743, damage: [] };
    const body = { repository: '/backups', backups: [backup], damaged: [], millis: 4_200 };
    expect(shown('check', body)).toMatchInlineSnapshot(`
      "
      1 backup, 1.2G re-read in 4.2 s, in /backups: every stored byte is as it was
        written.
      "
    `);
    const damage = [{ file: 'orders.base.tar.zst', text: 'its SHA-256 is not the one in the manifest' }];
    expect(shown('check', { ...body, backups: [{ ...backup, damage }] })).toMatchInlineSnapshot(`
      "
      DAMAGED 7f3k9q2m (job shop)
        orders.base.tar.zst: its SHA-256 is not the one in the manifest
      1 backup, 1.2G re-read in 4.2 s, in /backups: 1 damaged.
      "
    `);
  });

  test('restore and recover', () => {
    const restored = [{ source: 'orders', folder: '/srv/restored' }];
    expect(shown('restore', { id: '7f3k9q2m', restored })).toMatchInlineSnapshot(`
      "

      Restored 7f3k9q2m as files; no server was started and none was touched.
        orders  /srv/restored
      "
    `);
    const failed = [{ code: 'still-held', message: 'session 4711 could not be ended.', next: 'stillpoint recover' }];
    expect(shown('recover', { found: 3, removed: 2, failed })).toMatchInlineSnapshot(`
      "

      3 leftovers found, 2 removed.
        not done: session 4711 could not be ended. stillpoint recover
      "
    `);
    expect(shown('recover', { found: 0, removed: 0, failed: [] })).toContain('Nothing was left behind');
  });

  test('detect', () => {
    const possible = { method: 'copy' as const, possible: true, level: 'application' as const, reasons: [] };
    const volume = (kind: 'volume' | 'layer' | 'tmpfs', fileSystem: string, path = '/data') => ({
      path,
      fileSystem,
      id: `${kind} ${fileSystem}`,
      kind,
    });
    const seen = {
      engine: 'postgresql',
      title: 'PostgreSQL',
      because: ['process 7 runs /usr/bin/postgres'],
      offers: [],
    };
    const text = shown('detect', {
      instances: [
        {
          ...seen,
          ref: 'docker:shop-pg',
          facts,
          storage: [volume('volume', 'ext4'), volume('volume', 'xfs', '/wal')],
          offers: [
            {
              ...possible,
              method: 'snapshot',
              possible: false,
              reasons: [{ code: 'x', text: 'ext4 has no snapshots' }],
            },
            possible,
            { ...possible, method: 'dump', possible: false, reasons: [{ code: 'y', text: 'never said: not better' }] },
          ],
        },
        {
          ...seen,
          ref: 'docker:old-wiki',
          version: '15',
          storage: [volume('layer', 'overlay')],
          problem: {
            code: 'login-refused',
            message: 'docker:old-wiki refused the login of postgres: password authentication failed.',
            next: 'Set STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or user and password in stillpoint.yaml.',
          },
        },
        {
          ...seen,
          ref: 'docker:a-name-that-is-very-long',
          storage: [volume('tmpfs', 'tmpfs')],
          problem: {
            code: 'stopped',
            message: 'docker:a-name-that-is-very-long does not run (exited).',
            next: 'Start it to back it up: docker start a-name-that-is-very-long',
          },
        },
      ],
      skipped: [],
      looked: { containers: 23, containersWithout: 20, programs: 12 },
      unseen: [],
      millis: 812,
    });
    expect(text).toMatchInlineSnapshot(`
      "
      SOURCE           ENGINE           DATA  ON          METHOD  CONSISTENCY
      docker:shop-pg   PostgreSQL 17.6  4.1G  ext4        copy    application
      docker:old-wiki  PostgreSQL 15       ?  container!  -       cannot log in
      docker:a-name-that-is-very-long
                       PostgreSQL          ?  memory!     -       stopped

      shop-pg:  snapshot is not possible: ext4 has no snapshots. /wal is on another
                volume (xfs).
      old-wiki: refused the login of postgres: password authentication failed. Set
                STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or user and password in
                stillpoint.yaml. Its data is in the container's own layer: \`docker rm\`
                deletes it.
      a-name-that-is-very-long:
                does not run (exited). Start it to back it up: docker start
                a-name-that-is-very-long. Its data is in memory: when the container
                stops it is gone.

      3 databases in 23 containers, 812 ms; 20 without one (--all says why).
      "
    `);
    const none = { instances: [], skipped: [], unseen: [], millis: 90 };
    expect(shown('detect', { ...none, looked: { containers: 0, containersWithout: 0, programs: 12 } })).toContain(
      '0 databases on this host, 90 ms.',
    );
    const busybox = { ref: 'docker:idle', why: 'it runs busybox, no database server' };
    const all = { ...none, skipped: [busybox], looked: { containers: 1, containersWithout: 1, programs: 12 } };
    expect(shown('detect', all)).toContain(
      'idle: it runs busybox, no database server\n\n0 databases in 1 container, 90 ms; 1 without one.',
    );
  });
});
