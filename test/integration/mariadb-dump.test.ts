import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../src/model/id.ts';
import type { Difference, Manifest } from '../../src/model/manifest.ts';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import type { Ledger } from '../support/ledger.ts';
import {
  type MariadbBench,
  type MariadbServer,
  makeMariadbBench,
  PASSWORD,
  startMariadb,
  startMariadbLedger,
} from '../support/mariadb.ts';

const available = await tryImage('mariadb-10.11');
if (!available.ok) console.warn(`skipped: ${available.reason}`);

const SCHEMA = `
CREATE TABLE prices (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40) CHARACTER SET latin1, cents decimal(12,2), flags bit(5), raw varbinary(20), at timestamp NULL, doc json, ratio double, size enum('s','l')) ENGINE = InnoDB;
INSERT INTO prices (name, cents, flags, raw, at, doc, ratio, size) SELECT CONCAT('caf\\u00e9 ', seq), seq / 7, seq % 32, UNHEX(SHA1(seq)), FROM_UNIXTIME(1700000000 + seq), JSON_OBJECT('n', seq), seq / 3, IF(seq % 2, 's', 'l') FROM seq_1_to_5000;
INSERT INTO prices (name, cents) VALUES (NULL, NULL), ('', 0);
CREATE TABLE notes (id int PRIMARY KEY, text text) ENGINE = Aria; INSERT INTO notes VALUES (1, 'as it was');
CREATE SEQUENCE numbers START 100 INCREMENT 10 CACHE 20; SELECT NEXTVAL(numbers);
CREATE VIEW dear AS SELECT id, cents FROM prices WHERE cents > 100;
CREATE TRIGGER round_up BEFORE INSERT ON prices FOR EACH ROW SET NEW.cents = ROUND(NEW.cents, 2);
CREATE PROCEDURE total() SELECT SUM(cents) FROM prices; CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN 2 * n;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM notes;
CREATE ROLE clerk; GRANT SELECT ON shop.prices TO clerk; CREATE USER ann@'%' IDENTIFIED BY 'secret'; GRANT clerk TO ann@'%'; GRANT EXECUTE ON PROCEDURE shop.total TO ann@'%'`;

describe.skipIf(!available.ok)('MariaDB dump', () => {
  let server: MariadbServer;
  let bench: MariadbBench;
  let ledger: Ledger;
  let manifest: Manifest;
  beforeAll(async () => {
    server = await startMariadb();
    for (const statement of SCHEMA.split(/;\s/)) await server.query(statement);
    bench = await makeMariadbBench();
    ledger = await startMariadbLedger(server);
    await sleep(300);
  });
  afterAll(async () => {
    await ledger?.[Symbol.asyncDispose]();
    await bench?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** Restores into a throwaway server, lets `change` at it, and compares. */
  async function compareAfter(
    change: string,
    look?: (rows: readonly unknown[]) => void,
  ): Promise<readonly Difference[]> {
    const [source] = manifest.sources;
    if (!source) throw new Error('the manifest has no source');
    const engine = await bench.world.engine('mariadb');
    await using open = await bench.repository.open(manifest.id);
    await using twin = await (await bench.world.runtime('docker')).twin(source.definition, newId());
    const login = await engine.restore(source, open, twin);
    const { openSession } = await import('../../src/engines/mariadb/session.ts');
    await using session = await openSession(twin, login, 'test');
    const rows = await session.query(change);
    look?.(rows);
    return await Array.fromAsync(engine.compare(twin, login, source, open));
  }

  test('CUT-2 a dump under load holds everything acknowledged before the hold, nothing after resume, and no gap', async () => {
    let beforeHold: readonly number[] = [];
    let atResume: readonly number[] = [];
    manifest = await bench.backup(server, {
      onEvent: ({ event }) => {
        if (event === 'holding') beforeHold = ledger.acknowledged();
        if (event === 'resumed') atResume = ledger.acknowledged();
      },
    });
    await ledger.progress(2_000);
    const live = ledger.acknowledged();
    const differences = await compareAfter(
      'SELECT writer, COUNT(*) AS n, MAX(n) AS last FROM shop.ledger GROUP BY writer ORDER BY writer',
      (rows) => {
        expect(rows).toHaveLength(4);
        for (const row of rows as { writer: string; n: string; last: string }[]) {
          const writer = Number(row.writer);
          expect(row.n).toBe(row.last);
          expect(Number(row.last)).toBeGreaterThanOrEqual(beforeHold[writer] ?? 0);
          expect(Number(row.last)).toBeLessThanOrEqual((atResume[writer] ?? 0) + 1);
          expect(Number(row.last)).toBeLessThan(live[writer] ?? 0);
        }
      },
    );
    expect(differences).toEqual([]);
  });

  test('CUT-2 the manifest carries the position, the evidence of the hold, and by name what is not pinned', async () => {
    const [source] = manifest.sources;
    expect(source?.position.values.gtid).toMatch(/^0-3-\d+$/);
    expect(source?.reasons).toContainEqual(
      expect.objectContaining({
        code: 'held',
        text: expect.stringMatching(/held \d+ ms by session \d+ of the server/),
      }),
    );
    expect(source?.excluded).toContainEqual(
      expect.objectContaining({
        code: 'not-transactional',
        text: expect.stringContaining('shop.notes is a table of Aria'),
      }),
    );
    expect(source?.artifacts.map((it) => it.name)).toEqual([
      'shop.dump.sql',
      'shop.system.sql',
      'shop.fingerprint.ndjson',
    ]);
    const left = await server.query(
      "SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST p WHERE IS_USED_LOCK(CONCAT('stillpoint/', p.id)) = p.id",
    );
    expect(Number(left[0]?.n)).toBe(0);
    const stored = JSON.stringify(manifest) + JSON.stringify(bench.events);
    expect(stored).not.toContain(PASSWORD);
  });

  test('CUT-2 verify: the restored server equals the point while the source has moved on', async () => {
    const verification = await bench.verify(manifest.id);
    expect(verification).toMatchObject({ good: true, differences: [], level: 'application' });
    expect(verification.compared.tables).toBe(2);
    expect(verification.compared.objects).toBeGreaterThan(12);
  });

  test.each([
    ['a flipped value', 'UPDATE shop.prices SET ratio = ratio + 1e-9 WHERE id = 4321', 'table', /content differs/],
    ['NULL made empty', "UPDATE shop.prices SET name = '' WHERE name IS NULL", 'table', /content differs/],
    ['a missing row', 'DELETE FROM shop.prices WHERE id = 1', 'table', /5,001 rows restored, 5,002 at the cut/],
    ['a missing trigger', 'DROP TRIGGER shop.round_up', 'trigger', /missing/],
    ['another routine', 'DROP FUNCTION shop.twice', 'function', /missing/],
    ['a user who may do more', "GRANT SELECT ON shop.* TO ann@'%'", 'user', /is defined as/],
    ['another password', "ALTER USER ann@'%' IDENTIFIED BY 'other'", 'user', /is defined as/],
    [
      'numbering set back',
      'CREATE OR REPLACE SEQUENCE shop.numbers START 100 INCREMENT 10 CACHE 20',
      'counter',
      /stands at/,
    ],
  ])('CUT-2 %s in the restored copy is found and named', async (_, change, kind, text) => {
    const differences = await compareAfter(change);
    expect(differences).toContainEqual(expect.objectContaining({ kind, text: expect.stringMatching(text) }));
  });

  test('CUT-2 the restored server is quarantined: no network, no replica, no event', async () => {
    await compareAfter('SELECT @@skip_networking AS net, @@event_scheduler AS events, @@datadir AS data', ([row]) => {
      expect(row).toEqual({ net: '1', events: 'OFF', data: '/stillpoint/data/' });
    });
  });

  test('CUT-2 a definition that is changed while the dump runs makes no backup, and says what', async () => {
    const running = bench.backup(server, {
      onEvent: ({ event }) => {
        if (event === 'resumed') void server.query('ALTER TABLE shop.prices ADD COLUMN late int DEFAULT 7');
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'source-changed', message: expect.stringContaining('prices') });
    await server.query('ALTER TABLE shop.prices DROP COLUMN late');
  });

  test('CUT-2 CUT-8 a 60 s SELECT before the window neither delays the hold nor makes writers wait', async () => {
    const reader = await server.connect();
    const long = reader.query('SELECT SLEEP(60) FROM prices LIMIT 1').catch(() => undefined);
    await sleep(1_500);
    ledger.longestGap();
    await bench.backup(server);
    expect(ledger.longestGap()).toBeLessThan(2_000);
    reader.destroy();
    await long;
  });

  test('CUT-2 CUT-8 LOCK TABLES in the way: refused within its budget, the reason told, and writers go on', async () => {
    const blocker = await server.connect();
    await blocker.query('LOCK TABLES notes WRITE');
    await expect(bench.backup(server)).rejects.toMatchObject({
      code: 'hold-refused',
      message: expect.stringContaining('LOCK TABLES'),
    });
    await ledger.progress(2_000);
    blocker.destroy();
  });

  test('CUT-2 CUT-8 a DDL that has been running for a second is refused before anything is held, by session and query', async () => {
    const blocker = await server.connect();
    const holder = await server.connect();
    await holder.query('START TRANSACTION; SELECT COUNT(*) FROM notes');
    const waiting = blocker.query("ALTER TABLE notes COMMENT = 'slow'").catch(() => undefined);
    await sleep(1_500);
    await expect(bench.backup(server)).rejects.toMatchObject({
      exit: 4,
      message: expect.stringMatching(/session \d+ \(root\).*ALTER TABLE notes/),
    });
    holder.destroy();
    await waiting;
    blocker.destroy();
  });
});

describe.skipIf(!available.ok)('MariaDB: a runner that dies in the hold', () => {
  let server: MariadbServer;
  let ledger: Ledger;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await startMariadb();
    folder = await makeFolder();
    await writeFile(folder.in('password'), PASSWORD, { mode: 0o600 });
    env = {
      STILLPOINT_USER: 'root',
      STILLPOINT_PASSWORD_FILE: folder.in('password'),
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
    };
    ledger = await startMariadbLedger(server);
    const text = `repositories:\n  local:\n    directory: ${folder.in('repository')}\njobs:\n  shop:\n    sources:\n      shop: { ref: "docker:${server.name}", method: dump }\n    hold: 2s\n    repository: local\n`;
    await writeFile(folder.in('stillpoint.yaml'), text);
  });
  afterAll(async () => {
    await ledger?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  const run = (verb: string, onHeld: (pid: number) => void = () => undefined) =>
    stillpoint([verb, ...(verb === 'backup' ? ['shop'] : []), '-c', folder.in('stillpoint.yaml'), '-o', 'ndjson'], {
      env,
      onLine: (line, pid) => {
        if (line.event === 'held') onHeld(pid);
      },
    });

  test('CUT-2 SIGKILL in the hold: writers go on within 2 s, and the next run succeeds', async () => {
    const killed = await run('backup', (pid) => process.kill(pid, 'SIGKILL'));
    await ledger.progress(2_000);
    expect(killed.signal).toBe('SIGKILL');
    expect((await run('recover')).code).toBe(0);
    const next = await run('backup');
    expect(next.code, next.stderr).toBe(0);
  });

  test('CUT-2 CUT-5 SIGSTOP in the hold: recover finds the session by its run while the server ends the hold at its limit', async () => {
    let stopped = 0;
    const running = run('backup', (pid) => {
      stopped = pid;
      process.kill(pid, 'SIGSTOP');
    });
    while (stopped === 0) await sleep(5);
    await sleep(100);
    ledger.longestGap();
    await ledger.progress(4_000);
    expect(ledger.longestGap()).toBeGreaterThan(1_000);
    const recovered = await run('recover');
    expect(recovered.lines.filter((it) => it.event === 'found' && it.kind === 'session').length).toBeGreaterThan(0);
    process.kill(stopped, 'SIGCONT');
    const woken = await running;
    expect(woken.code, woken.stderr).toBe(7);
  });
});
