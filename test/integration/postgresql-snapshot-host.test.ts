import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { restoreFiles } from '../../src/restore/files.ts';
import { verifyBackup } from '../../src/restore/verify.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { btrfs, canMount, type Disk, xfs } from '../environment/disks.ts';
import { stillpoint } from '../support/cli.ts';
import { startLedger } from '../support/ledger.ts';
import { type Bench, makeBench } from '../support/postgres.ts';
import { startRestored } from '../support/restored.ts';

const never = new AbortController().signal;
const noDisk = await canMount();

describe.skipIf(noDisk)(`DOCK-7: PostgreSQL on the host by snapshot${noDisk ? ` (skipped: ${noDisk})` : ''}`, () => {
  let disk: Disk;
  let server: Embedded;
  let bench: Bench;
  beforeAll(async () => {
    disk = await btrfs({ sizeMiB: 1536 });
    server = await startEmbedded({ parent: disk.path, databases: ['shop', 'second'], tablespaces: ['elsewhere'] });
    await server.query(
      `CREATE TABLE placed (id int) TABLESPACE elsewhere; INSERT INTO placed SELECT generate_series(1, 1000);
       CREATE SEQUENCE numbers CACHE 5; SELECT nextval('numbers') FROM generate_series(1, 7)`,
      [],
      'shop',
    );
    bench = await makeBench(server);
  }, 120_000);
  afterAll(async () => {
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
  });

  test('DOCK-7 under load, verified exactly, and restored by hand beside the live source: nothing of the source is opened', async () => {
    await using ledger = await startLedger(server.login('shop'));
    await ledger.progress(5_000);
    const manifest = await bench.backup({ method: 'snapshot' });
    await ledger.progress(2_000);
    expect((await verifyBackup(bench.world, bench.repository, manifest.id, never)).differences).toEqual([]);
    const [{ folder = '' } = {}] = await restoreFiles(
      bench.world,
      bench.repository,
      manifest.id,
      [],
      bench.path('files'),
      never,
    );
    const names = await readdir(folder);
    for (const name of ['postmaster.pid', 'backup_label', 'recovery.signal']) expect(names).not.toContain(name);
    await using restored = await startRestored(folder, server.binaries);
    const [row] = await restored.query<{ path: string; rows: number; last: number }>(
      `SELECT (SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'elsewhere') AS path,
              (SELECT count(*)::int FROM placed) AS rows, (SELECT max(n) FROM ledger) AS last`,
      'shop',
    );
    expect(row?.rows).toBe(1000);
    expect(row?.path).toMatch(/^\.\.\/stillpoint_tablespaces\/\d+$/);
    expect(Math.max(...ledger.acknowledged())).toBeGreaterThan(row?.last ?? 0);
  });

  test('DOCK-7 an image with a label in it, and without the log that it asks for, does not start: so none is restored', async () => {
    const manifest = await bench.backup({ method: 'snapshot' });
    const [{ folder = '' } = {}] = await restoreFiles(
      bench.world,
      bench.repository,
      manifest.id,
      [],
      bench.path('labelled'),
      never,
    );
    const label = `START WAL LOCATION: 0/FF000028 (file 0000000100000000000000FF)\nCHECKPOINT LOCATION: 0/FF000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIMELINE: 1\n`;
    await execa('sh', ['-c', 'printf %s "$1" > "$2"', 'sh', label, join(folder, 'backup_label')]);
    await expect(startRestored(folder, server.binaries)).rejects.toThrow(/could not locate required checkpoint record/);
    await execa('rm', [join(folder, 'backup_label')]);
    await execa('rm', ['-r', `${folder}.run`]);
    await using restored = await startRestored(folder, server.binaries);
    expect(await restored.query('SELECT count(*)::int AS rows FROM placed', 'shop')).toEqual([{ rows: 1000 }]);
  });
});

describe.skipIf(noDisk)(`DOCK-7: PostgreSQL on XFS with reflink${noDisk ? ` (skipped: ${noDisk})` : ''}`, () => {
  test('DOCK-7 the plan is a copy and says why it is no snapshot; to ask for one is refused', async () => {
    await using disk = await xfs({ sizeMiB: 640, reflink: true });
    await using server = await startEmbedded({ parent: disk.path });
    await using bench = await makeBench(server);
    const run = (...args: string[]) => stillpoint(args, { env: bench.env });
    const plan = await run('plan', server.url, '-o', 'json');
    expect(plan.code, plan.stderr).toBe(0);
    expect(JSON.parse(plan.stdout)).toMatchObject({ sources: [{ method: 'copy' }] });
    const detected = (await run('detect', '-c', '/dev/null')).stdout.replaceAll(/\s+/g, ' ');
    expect(detected).toContain(
      'snapshot is not possible: xfs has no snapshots; its reflink makes a fast copy, but not of one instant.',
    );
    const asked = await run('backup', server.url, '--to', bench.path('repository'), '--method', 'snapshot');
    expect(asked.code).toBe(4);
    expect(asked.stderr).toContain('xfs has no snapshots');
    const kept = await run('backup', server.url, '--to', bench.path('repository'), '--keep-snapshot');
    expect(kept.code).toBe(4);
    expect(kept.stderr.replaceAll(/\s+/g, ' ')).toMatch(
      /--keep-snapshot: .* is backed up by copy, which leaves no snapshot to keep/,
    );
  });
});
