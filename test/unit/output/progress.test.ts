import { describe, expect, test } from 'vitest';
import type { RunEvent } from '../../../src/model/events.ts';
import { paint } from '../../../src/output/look.ts';
import { progressPrinter } from '../../../src/output/progress.ts';
import { plainScreen, terminalScreen } from '../../../src/output/screen.ts';
import { run, runOfThree } from './documents.ts';
import { terminal } from './terminal.ts';

/** Text as it lands off a terminal, when `seconds` pass between two events. */
function plainly(events: readonly RunEvent[], seconds = 1, verbose = false): string {
  let text = '';
  let time = 0;
  const clock = (): number => time;
  const screen = plainScreen((more) => {
    text += more;
  }, clock);
  const print = progressPrinter(screen, { width: 80, paint: paint(false), now: () => 0, verbose }, clock);
  for (const event of events) {
    print(event);
    time += seconds * 1000;
  }
  return `\n${text}`;
}

const recovering: readonly RunEvent[] = [
  { event: 'restoring', id: '7f3k9q2m', source: 'orders', into: 'a throwaway server of /usr/lib/postgresql/17/bin' },
  {
    event: 'recovered',
    source: 'orders',
    position: { text: 'restore point stillpoint-7f3k9q2m at 0/3000148', values: {} },
    millis: 2_300,
  },
  { event: 'compared', source: 'orders', tables: 12, rows: 228_003, objects: 141, differences: [], millis: 704 },
];

describe('START-9: a run off a terminal', () => {
  test('one source: the window is drawn with its milliseconds, and nothing is redrawn', () => {
    expect(plainly(run)).toMatchInlineSnapshot(`
      "
      shop: PostgreSQL 17.6 by copy, to /var/backups/stillpoint (not encrypted)
        ready        privileges ok, 4.1G needed, 41G free                     612 ms
        base          4.1G ->  1.2G  ###############################  100%  184M/s
        held         |================================================|      58 ms
        cut                                            ^^^                 in 3 ms
        resumed      writes flow; held 58 ms
        wal            32M ->  1.8M  ###############################  100%  107M/s
        fingerprint    22K ->  2.3K
      "
    `);
  });

  test('several sources: who was held, who was not and why, and how far apart they were cut', () => {
    expect(plainly(runOfThree)).toMatchInlineSnapshot(`
      "
      shop: 3 sources, one instant, to local (encrypted)
        ready        privileges ok, 1.9G needed, 41G free                     612 ms
        held         shop-mysql  |====================================|      58 ms
                     shop-cache      |===============================|       49 ms
                     shop-pg     not held: one source may go unheld
        cut                                                ^^           2 ms apart
        resumed      writes flow; no source was held longer than 58 ms
        shop-pg     data          4.1G ->  1.2G  ###################  100%  184M/s
        shop-mysql  dump          812M ->  201M  ###################  100%   96M/s
        warning      shop-cache: the append file is being rewritten; the copy of it
                     may take as long again
      "
    `);
  });

  test('-v tells every step', () => {
    expect(plainly(run.slice(0, 3), 1, true)).toMatchInlineSnapshot(`
      "
      shop: PostgreSQL 17.6 by copy, to /var/backups/stillpoint (not encrypted)
        ready        privileges ok, 4.1G needed, 41G free                     612 ms
                     slot: replication slot stillpoint_7f3k9q2m keeps the log
      "
    `);
  });

  test('progress is a line each ten seconds at most', () => {
    const [started, , , progress] = run;
    if (!started || progress?.event !== 'progress') throw new Error('the run has changed');
    const many = Array.from({ length: 30 }, (_, at) => ({ ...progress, plainBytes: at * 100_000_000 }));
    expect(
      plainly([started, ...many], 1)
        .trim()
        .split('\n').length,
    ).toBe(1 + 2);
  });

  test('a verification', () => {
    expect(plainly(recovering)).toMatchInlineSnapshot(`
      "
      7f3k9q2m: restoring into a throwaway server of /usr/lib/postgresql/17/bin
        restored     restore point stillpoint-7f3k9q2m at 0/3000148            2.3 s
        compared     12 tables, 228,003 rows, 141 other objects: identical    704 ms
      "
    `);
  });

  test('a verification that finds a difference', () => {
    const [restoring, recovered, compared] = recovering;
    if (!restoring || !recovered || compared?.event !== 'compared') throw new Error('the events have changed');
    const difference = { source: 'orders', kind: 'table', name: 'shop.prices', text: 'differs' };
    const text = plainly([restoring, recovered, { ...compared, differences: [difference] }]);
    expect(text).toContain('12 tables, 228,003 rows, 141 other objects: DIFFERS');
  });

  test('what dead runs left', () => {
    const what = 'replication slot stillpoint_7f3k9q2m on postgres://127.0.0.1:5432';
    const left: readonly RunEvent[] = [
      { event: 'found', run: '7f3k9q2m', kind: 'slot', what, holds: false },
      { event: 'removed', run: '7f3k9q2m', kind: 'slot', what },
      { event: 'found', run: '7f3k9q2m', kind: 'session', what: 'session 4711 on orders', holds: true },
    ];
    expect(plainly(left)).toMatchInlineSnapshot(`
      "
        found        run 7f3k9q2m: replication slot stillpoint_7f3k9q2m on
                     postgres://127.0.0.1:5432
        removed      replication slot stillpoint_7f3k9q2m on postgres://127.0.0.1:5432
        found        run 7f3k9q2m: session 4711 on orders HOLDS WRITES
      "
    `);
  });

  test('a hold that ended without a cut says that writes flow', () => {
    const upToHeld = run.slice(0, 7);
    const resumed: RunEvent = { event: 'resumed', held: { orders: { from: 0, to: 12 } }, longest: 12 };
    expect(plainly([...upToHeld, resumed])).toContain('resumed      writes flow; held 12 ms, nothing was cut');
  });

  test('a cut without any hold is told as what it is', () => {
    const unheld: RunEvent = { event: 'unheld', source: 'orders', reason: { code: 'x', text: 'the role lacks LOCK' } };
    const cut = run.find((it) => it.event === 'cut');
    const stored = run.find((it) => it.event === 'stored');
    if (!run[0] || !cut || !stored) throw new Error('the run has changed');
    const text = plainly([run[0], unheld, cut, stored]);
    expect(text).toContain('held         not held: the role lacks LOCK');
    expect(text).not.toContain('resumed');
  });

  test('every line fits into 80 columns and is plain ASCII', () => {
    for (const text of [plainly(run), plainly(runOfThree), plainly(run, 11, true), plainly(recovering)]) {
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      expect(text).toMatch(/^[\x20-\x7e\n]*$/);
    }
  });
});

describe('START-9: a run on a terminal', () => {
  test('leaves the same lines as off it, and shows what is under way at the bottom', () => {
    const shown = terminal();
    let time = 0;
    const clock = (): number => time;
    const screen = terminalScreen(shown.write, () => 80, clock);
    const print = progressPrinter(screen, { width: 80, paint: paint(false), now: () => 0, verbose: false }, clock);
    const bottom: string[] = [];
    for (const event of run) {
      print(event);
      time += 1000;
      bottom.push(shown.rows().at(-1) ?? '');
    }
    expect(shown.rows()).toEqual(
      plainly(run)
        .trim()
        .split('\n')
        .map((it) => it.trimEnd()),
    );
    expect(bottom[2]).toBe('  ...          replication slot stillpoint_7f3k9q2m keeps the log');
    expect(bottom[3]).toMatch(/ #{16}-{15} +50% /);
    expect(bottom[5]).toBe('  hold         asking; 10 s at most');
    expect(bottom[6]).toBe('  held         writes wait');
  });

  test('redraws ten times a second at most', () => {
    let writes = 0;
    let time = 0;
    const screen = terminalScreen(
      () => writes++,
      () => 80,
      () => time,
    );
    for (; time < 10_000; time += 1) screen.live('one', `line ${time}`);
    expect(writes).toBeLessThanOrEqual(101);
  });

  test('a line that is too wide for the terminal is clipped, because a wrapped one could not be redrawn', () => {
    const shown = terminal();
    terminalScreen(
      shown.write,
      () => 40,
      () => 0,
    ).live('one', 'x'.repeat(200));
    expect(shown.rows()[0]?.length).toBe(39);
  });
});
