import { constants, getPriority } from 'node:os';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Capture } from '../../src/engines/capture.ts';
import { StillpointError } from '../../src/model/errors.ts';
import type { RunEvent } from '../../src/model/events.ts';
import { tryImage } from '../environment/images.ts';
import { type Ledger, startLedger } from '../support/ledger.ts';
import { startMariadbLedger } from '../support/mariadb.ts';
import { type Pair, type PairOptions, startPair } from '../support/pair.ts';

const missing = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const title = `the window over PostgreSQL and MariaDB${missing && !missing.ok ? ` (skipped: ${missing.reason})` : ''}`;

describe.skipIf(missing)(title, () => {
  let pair: Pair;
  let ledgers: { readonly pg: Ledger; readonly maria: Ledger };
  beforeAll(async () => {
    pair = await startPair();
    ledgers = { pg: await startLedger(pair.postgres.login('orders')), maria: await startMariadbLedger(pair.mariadb) };
  });
  afterAll(async () => {
    await ledgers?.pg[Symbol.asyncDispose]();
    await ledgers?.maria[Symbol.asyncDispose]();
    await pair?.[Symbol.asyncDispose]();
  });
  const progress = () => Promise.all([ledgers.pg.progress(2_000), ledgers.maria.progress(2_000)]);
  const told = (...of: RunEvent['event'][]): readonly string[] =>
    pair.events.filter((it) => of.includes(it.event)).map((it) => `${it.event} ${'source' in it ? it.source : ''}`);
  /** Does this in the hold, right before the cut of PostgreSQL. */
  const beforeCut = (act: () => Promise<unknown>) => (source: string, capture: Capture) =>
    source === 'pg'
      ? {
          async cut() {
            await act();
            return capture.cut();
          },
        }
      : {};
  /** Ends the session that holds, as an administrator would, and waits until it is gone. */
  const ends: Readonly<Record<'pg' | 'maria', () => Promise<void>>> = {
    async pg() {
      await pair.postgres.query(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.mode = 'ShareLock' AND l.locktype = 'relation'",
      );
      const [row] = await pair.postgres.query<{ n: string }>(
        "SELECT count(*) AS n FROM pg_locks WHERE mode = 'ShareLock' AND locktype = 'relation'",
      );
      if (Number(row?.n) > 0) await ends.pg();
    },
    async maria() {
      const held =
        "SELECT id FROM information_schema.PROCESSLIST WHERE IS_USED_LOCK(CONCAT('stillpoint/', id, '/hold')) = id";
      const [row] = await pair.mariadb.query(held);
      await pair.mariadb.query(`KILL CONNECTION ${Number(row?.id)}`);
      while ((await pair.mariadb.query(held)).length > 0);
    },
  };

  test('CUT-1 what waits for transactions is held first, then what waits for statements; flushed when all are held, cut, proven, let go', async () => {
    const manifest = await pair.backup();
    expect(manifest.plan.hold).toEqual(['pg', 'maria']);
    const order = told('holding', 'held', 'unheld', 'resumed');
    expect(order).toEqual(['holding pg', 'held pg', 'holding maria', 'held maria', 'resumed ']);
    const { held, flushed, cut } = manifest.window ?? { held: {}, flushed: {}, cut: {} };
    const granted = Math.max(...Object.values(held).map((it) => it.granted ?? Number.NaN));
    const released = Math.min(...Object.values(held).map((it) => it.released ?? Number.NaN));
    for (const { start } of Object.values(flushed)) expect(start).toBeGreaterThanOrEqual(granted);
    for (const it of Object.values(cut)) {
      expect(it.start).toBeGreaterThanOrEqual(granted);
      expect(it.end).toBeLessThanOrEqual(released);
    }
    expect(manifest.coordination).toMatchObject({ claimed: true, reasons: [] });
    // Writes flow at the cut, long before the streams are stored.
    expect(pair.events.findIndex((it) => it.event === 'resumed')).toBeLessThan(
      pair.events.findIndex((it) => it.event === 'stored'),
    );
    await progress();
  });

  test('CUT-1 as root the runner goes before other processes while writers wait, and no longer', async () => {
    const before = getPriority();
    let within = before;
    const through = beforeCut(async () => {
      within = getPriority();
    });
    await pair.backup({ through });
    expect(within).toBe(process.getuid?.() === 0 ? constants.priority.PRIORITY_HIGH : before);
    expect(getPriority()).toBe(before);
  });

  test('CUT-1 a single database of PostgreSQL goes unheld, named with the reason, and is flushed after the other is held', async () => {
    const manifest = await pair.backup({ database: 'orders' });
    expect(manifest.plan.hold).toEqual(['maria']);
    expect(pair.events).toContainEqual({
      event: 'unheld',
      source: 'pg',
      reason: { code: 'one-unheld', text: 'one source may go unheld' },
    });
    const { window } = manifest;
    expect(Object.keys(window?.held ?? {})).toEqual(['maria']);
    expect(window?.flushed.pg?.start).toBeGreaterThanOrEqual(window?.held.maria?.granted ?? Number.NaN);
    expect(manifest.coordination).toMatchObject({ claimed: true, reasons: [] });
    expect(manifest.sources.find((it) => it.name === 'pg')?.reasons.map((it) => it.code)).toEqual([
      'unheld',
      'one-unheld',
    ]);
  });

  test('CUT-1 all or nothing: while one cannot be held the other is let go between attempts, and all stalls together stay within the limit', async () => {
    const blocker = await pair.mariadb.connect();
    await blocker.query('LOCK TABLES things WRITE');
    ledgers.pg.longestGap();
    const before = ledgers.pg.acknowledged();
    await expect(pair.backup({ holdLimit: 4_000 })).rejects.toMatchObject({
      code: 'hold-refused',
      message: expect.stringMatching(/In [2-4] attempts, in which writers waited for \d+ ms: .*LOCK TABLES/),
    });
    // One attempt waits for MariaDB for a second; two in a row would be more.
    expect(ledgers.pg.longestGap()).toBeLessThan(1_900);
    expect(ledgers.pg.acknowledged()).not.toEqual(before);
    expect(told('step').length).toBeGreaterThan(0);
    const again = pair.events.filter((it) => it.event === 'step' && it.step === 'hold-again');
    expect(again.length).toBeGreaterThanOrEqual(1);
    blocker.destroy();
    await progress();
  });

  test('CUT-4 not held, with onOverrun: downgrade: the other one is held, and the claim says what could not be, and who was in the way', async () => {
    const blocker = new pg.Client({ ...pair.postgres.login('stock'), application_name: 'nightly-import' });
    await blocker.connect();
    await blocker.query('BEGIN; INSERT INTO things VALUES (2)');
    const onEvent = (it: RunEvent): void => {
      if (it.event === 'unheld') void blocker.query('ROLLBACK');
    };
    const manifest = await pair.backup({ holdLimit: 4_000, onOverrun: 'downgrade', onEvent });
    await blocker.end();
    expect(Object.keys(manifest.window?.held ?? {})).toEqual(['maria']);
    expect(manifest.coordination.claimed).toBe(false);
    const text = expect.stringMatching(/^pg: .*nightly-import, idle in transaction.* database stock/);
    expect(manifest.coordination.reasons).toContainEqual({ code: 'not-held', text });
  });

  test.each(['pg', 'maria'] as const)(
    'CUT-4 the session that holds %s is ended in the hold: onOverrun fail fails, downgrade lowers the claim',
    async (name) => {
      const through: PairOptions['through'] = (source, capture) => ({
        async cut() {
          const position = await capture.cut();
          if (source === name) await ends[name]();
          return position;
        },
      });
      await expect(pair.backup({ through })).rejects.toMatchObject({ code: 'hold-lost', exit: 7 });
      await progress();
      const manifest = await pair.backup({ through, onOverrun: 'downgrade' });
      expect(manifest.coordination.claimed).toBe(false);
      expect(manifest.coordination.reasons.map((it) => it.code)).toContain('session-lost');
      expect(manifest.window?.held[name]).toMatchObject({ unbroken: false });
      const reason = expect.objectContaining({ code: 'session-lost' });
      expect(pair.events).toContainEqual({ event: 'downgraded', source: name, reason });
      await progress();
    },
  );

  test('CUT-4 a transaction that no lock stops: cut again; with every cut: onOverrun fail fails, downgrade says so', async () => {
    let cuts = 0;
    let escapes = 1;
    // A transaction of its own that writes no table: it goes through any SHARE lock.
    const through = beforeCut(async () => {
      cuts++;
      if (cuts <= escapes) await pair.postgres.query('SELECT txid_current()', 'stock');
    });
    const proven = await pair.backup({ through });
    expect(cuts).toBe(2);
    expect(proven.coordination).toMatchObject({ claimed: true, reasons: [] });
    escapes = Number.POSITIVE_INFINITY;
    await expect(pair.backup({ through })).rejects.toMatchObject({
      code: 'hold-lost',
      message: expect.stringContaining('a transaction ended during the cut'),
    });
    const manifest = await pair.backup({ through, onOverrun: 'downgrade' });
    expect(manifest.coordination.reasons.map((it) => it.code)).toEqual(['transactions-moved']);
    await progress();
  });

  test('CUT-5 nothing is sent on a session that holds: the server has heard nothing from it since the hold was had', async () => {
    let heldAt = 0;
    const idle: { pg?: number; maria?: number; held?: number } = {};
    const through = beforeCut(async () => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      idle.held = performance.now() - heldAt;
      const [postgres] = await pair.postgres.query<{ millis: string }>(
        `SELECT extract(epoch FROM clock_timestamp() - max(state_change)) * 1000 AS millis FROM pg_stat_activity
         WHERE pid IN (SELECT pid FROM pg_locks WHERE mode = 'ShareLock' AND locktype = 'relation')`,
      );
      const [mariadb] = await pair.mariadb.query(
        "SELECT time_ms AS millis FROM information_schema.PROCESSLIST WHERE IS_USED_LOCK(CONCAT('stillpoint/', id, '/hold')) = id",
      );
      idle.pg = Number(postgres?.millis);
      idle.maria = Number(mariadb?.millis);
    });
    const onEvent = (it: RunEvent): void => {
      if (it.event === 'held') heldAt = performance.now();
    };
    await pair.backup({ through, onEvent });
    expect(idle.pg).toBeGreaterThanOrEqual(idle.held ?? Number.NaN);
    expect(idle.maria).toBeGreaterThanOrEqual((idle.held ?? Number.NaN) - 10);
  });

  test('CUT-4 CUT-5 a cut that takes longer than the hold may last: writes flow at the limit, and the reason is that it expired', async () => {
    const through = beforeCut(() => new Promise((resolve) => setTimeout(resolve, 1_500)));
    ledgers.pg.longestGap();
    await expect(pair.backup({ through, holdLimit: 1_000 })).rejects.toBeInstanceOf(StillpointError);
    expect(ledgers.pg.longestGap()).toBeLessThan(1_400);
    const manifest = await pair.backup({ through, holdLimit: 1_000, onOverrun: 'downgrade' });
    expect(manifest.coordination.reasons.map((it) => it.code)).toContain('hold-expired');
    await progress();
  });
});
