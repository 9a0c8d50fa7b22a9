import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { btrfs, canMount, type Disk } from '../environment/disks.ts';
import { type Line, makeFolder, stillpoint } from '../support/cli.ts';
import { type Ledger, startLedger } from '../support/ledger.ts';

const noDisk = await canMount('btrfs');

/** Moments at which the snapshot is there, or has just been. */
const MOMENTS = ['cut', 'resumed', 'step fingerprint', 'stored pg.base.tar', 'step files'];
const moment = (line: Line): string =>
  [line.event, line.step ?? line.artifact].filter((it) => it !== undefined).join(' ');

describe.skipIf(noDisk)(
  `a run by snapshot that is killed${noDisk === undefined ? '' : ` (skipped: ${noDisk})`}`,
  () => {
    let disk: Disk;
    let server: Embedded;
    let ledger: Ledger;
    let folder: Awaited<ReturnType<typeof makeFolder>>;
    const snapshots = (): Promise<readonly string[]> =>
      readdir(join(disk.path, '.stillpoint')).catch((): string[] => []);
    const run = (args: readonly string[], onLine?: (line: Line, pid: number) => void) =>
      stillpoint([...args, '-o', 'ndjson'], {
        env: {
          STILLPOINT_USER: server.user,
          STILLPOINT_PASSWORD_FILE: server.passwordFile,
          STILLPOINT_STATE: folder.in('state'),
          STILLPOINT_SCRATCH: folder.in('scratch'),
          // What other tests have in Docker at this moment is not this one's to recover.
          DOCKER_HOST: 'unix:///nonexistent/docker.sock',
        },
        ...(onLine === undefined ? {} : { onLine }),
      });
    const backup = (onLine?: (line: Line, pid: number) => void) =>
      run(['backup', server.url, '--to', folder.in('repository'), '--method', 'snapshot'], onLine);

    beforeAll(async () => {
      disk = await btrfs({ sizeMiB: 1024 });
      folder = await makeFolder();
      server = await startEmbedded({ parent: disk.path, databases: ['shop'] });
      ledger = await startLedger(server.login('shop'));
    }, 120_000);
    afterAll(async () => {
      await ledger?.[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
      await folder?.[Symbol.asyncDispose]();
      await disk?.[Symbol.asyncDispose]();
    });

    test('DOCK-7 SIGKILL between cut and removal: writers go on, recover names and removes the snapshot, the next run succeeds', async () => {
      let left = 0;
      for (const at of MOMENTS) {
        const killed = await backup((line, pid) => {
          if (moment(line).replace(/ postgres-[\d.]+-\d+\./, ' pg.') === at) process.kill(pid, 'SIGKILL');
        });
        expect(killed.signal, `${at}: ${killed.lines.map(moment)}`).toBe('SIGKILL');
        await ledger.progress(2_000);
        const [snapshot] = await snapshots();
        const recovered = await run(['recover']);
        expect(recovered.code, `${at}: ${recovered.stderr}`).toBe(0);
        if (snapshot !== undefined) {
          left++;
          for (const event of ['found', 'removed']) {
            expect(recovered.lines, at).toContainEqual(
              expect.objectContaining({ event, kind: 'snapshot', what: expect.stringContaining(snapshot) }),
            );
          }
        }
        expect(await snapshots(), at).toEqual([]);
        // Other tests' snapshots, on other disks, are named and left alone.
        const again = (await run(['recover'])).lines.filter((it) => it.event === 'found');
        const own = again.filter((it) => it.kind !== 'snapshot' || String(it.what).includes(disk.path));
        expect(own, at).toEqual([]);
      }
      // The last word may come when it is gone already; all before, it is there.
      expect(left).toBeGreaterThanOrEqual(MOMENTS.length - 1);
      const next = await backup();
      expect(next.code, next.stderr).toBe(0);
      expect(await snapshots()).toEqual([]);
    });
  },
);
