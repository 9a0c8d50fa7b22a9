import type { RunEvent } from '../../../src/model/events.ts';
import type { Facts } from '../../../src/model/facts.ts';
import type { BackupLine, Manifest, SourceRecord, Verification } from '../../../src/model/manifest.ts';
import type { Plan } from '../../../src/model/plan.ts';
import type { Interval } from '../../../src/model/time.ts';

/** Documents as a run makes them, for looking at how they are shown. */

export const facts: Facts = {
  engine: 'postgresql',
  version: '17.6',
  major: 17,
  serverId: '7437523',
  role: 'primary',
  dataBytes: 4_402_341_478,
  paths: { data: '/var/lib/postgresql/17/main', log: '/var/lib/postgresql/17/main/pg_wal', more: [] },
  databases: ['postgres', 'shop'],
  tables: 12,
  settings: { data_checksums: 'on' },
  privileges: ['REPLICATION', 'pg_maintain'],
  blockers: [],
};

export const plan: Plan = {
  format: 1,
  id: '7f3k9q2m',
  job: 'shop',
  sources: [
    {
      name: 'orders',
      ref: 'postgres://127.0.0.1:5432',
      engine: 'postgresql',
      version: '17.6',
      method: 'copy',
      statements: { hold: 'LOCK TABLE {tables} IN SHARE MODE', resume: 'ROLLBACK' },
      recipe: { name: 'postgresql', sha256: 'a'.repeat(64) },
      level: 'application',
      reasons: [],
      needs: [
        { what: 'privileges', met: true, detail: 'stillpoint: REPLICATION, pg_maintain' },
        { what: 'space', met: false, detail: '4.1G needed, 12M free in /var/backups' },
      ],
      facts,
    },
  ],
  consistency: 'independent',
  holdLimit: 10_000,
  onOverrun: 'fail',
  hold: ['orders'],
  cuts: [{ source: 'orders' }],
  steps: [
    { phase: 'prepare', source: 'orders', what: 'copy the files while writers go on' },
    {
      phase: 'window',
      source: 'orders',
      what: 'hold writes',
      statement: 'LOCK TABLE {tables} IN SHARE MODE',
      blocks: 'INSERT, UPDATE, DELETE, TRUNCATE and ALTER TABLE wait; reads do not',
      limit: 10_000,
    },
    { phase: 'window', source: 'orders', what: 'let writes go', statement: 'ROLLBACK' },
    { phase: 'finish', source: 'orders', what: 'store the log up to the point' },
  ],
};

const interval = (start: number, end: number): Interval => ({
  from: new Date(Date.UTC(2026, 10, 21, 2, 0, 20) + start).toISOString(),
  to: new Date(Date.UTC(2026, 10, 21, 2, 0, 20) + end).toISOString(),
  millis: end - start,
  start: 20_000 + start,
  end: 20_000 + end,
});

const artifact = (name: string, plainBytes: number, storedBytes: number): SourceRecord['artifacts'][number] => ({
  name,
  file: `${name}.zst`,
  plainBytes,
  plainSha256: 'b'.repeat(64),
  storedBytes,
  storedSha256: 'c'.repeat(64),
});

const orders: SourceRecord = {
  name: 'orders',
  ref: 'postgres://127.0.0.1:5432',
  engine: 'postgresql',
  version: '17.6',
  serverId: '7437523',
  definition: { runtime: 'host', binaries: '/usr/lib/postgresql/17/bin' },
  method: 'copy',
  recipe: { name: 'postgresql', sha256: 'a'.repeat(64) },
  position: { text: 'restore point stillpoint-7f3k9q2m at 0/3000148', values: { point: 'stillpoint-7f3k9q2m' } },
  level: 'application',
  reasons: [{ code: 'held', text: 'held 58 ms by pid 4711 since 02:00:20; the transaction snapshot did not change' }],
  excluded: [{ code: 'unlogged', text: 'shop.public.sessions: unlogged tables are empty after a physical restore' }],
  settings: {},
  fingerprint: 'orders.fingerprint.ndjson',
  artifacts: [
    artifact('orders.base.tar', 4_402_341_478, 1_288_490_188),
    artifact('orders.wal.tar', 33_554_432, 1_843_200),
    artifact('orders.fingerprint.ndjson', 22_528, 2_355),
  ],
};

export const manifest: Manifest = {
  format: 1,
  id: '7f3k9q2m',
  job: 'shop',
  tool: 'stillpoint 0.1.0',
  started: '2026-11-21T02:00:00.000Z',
  ended: '2026-11-21T02:00:31.000Z',
  plan,
  window: {
    held: {
      orders: { held: interval(0, 58), session: 'pid 4711 since 02:00:20', unbroken: true, reasons: [] },
    },
    cut: { orders: interval(40, 43) },
    flushed: { orders: interval(20, 24) },
  },
  coordination: { claimed: false, skew: 3, reasons: [] },
  sources: [orders],
};

/** The same with a second source, cut at the same instant and not held. */
export const together: Manifest = {
  ...manifest,
  window: {
    held: manifest.window?.held ?? {},
    cut: { orders: interval(40, 42), cache: interval(41, 42) },
    flushed: manifest.window?.flushed ?? {},
  },
  coordination: { claimed: true, skew: 2, reasons: [] },
  sources: [
    orders,
    {
      ...orders,
      name: 'cache',
      ref: 'docker:shop-cache',
      engine: 'redis',
      version: '7.0.15',
      method: 'snapshot',
      excluded: [],
      artifacts: [artifact('cache.data.tar', 39_845_888, 32_505_856)],
    },
  ],
};

export const verified: Verification = {
  at: '2026-11-21T03:00:00.000Z',
  tool: 'stillpoint 0.1.0',
  image: '/usr/lib/postgresql/17/bin',
  good: true,
  level: 'application',
  compared: { tables: 12, rows: 228_003, objects: 141 },
  differences: [],
  millis: 3_100,
};

export const differing: Verification = {
  ...verified,
  good: false,
  differences: [
    {
      source: 'orders',
      kind: 'table',
      name: 'shop.public.prices',
      text: 'has 18,199 rows restored, 18,204 at the cut',
    },
  ],
};

export const backupLine: BackupLine = {
  id: '7f3k9q2m',
  job: 'shop',
  at: '2026-11-21T02:00:20.040Z',
  level: 'application',
  sources: [{ name: 'orders', engine: 'postgresql', version: '17.6', method: 'copy' }],
  heldMillis: 58.2,
  plainBytes: 4_435_918_438,
  storedBytes: 1_290_335_743,
  verification: { at: '2026-11-20T00:00:00.000Z', good: true },
};

/** What a run of one source tells. */
export const run: readonly RunEvent[] = [
  {
    event: 'started',
    run: '7f3k9q2m',
    job: 'shop',
    repository: '/var/backups/stillpoint',
    encrypted: false,
    sources: [{ name: 'orders', engine: 'postgresql', version: '17.6', method: 'copy' }],
    coordinated: false,
  },
  { event: 'ready', needBytes: 4_402_341_478, freeBytes: 44_023_414_784, millis: 612 },
  { event: 'step', source: 'orders', step: 'slot', text: 'replication slot stillpoint_7f3k9q2m keeps the log' },
  {
    event: 'progress',
    source: 'orders',
    artifact: 'orders.base.tar',
    plainBytes: 2_201_170_739,
    storedBytes: 644_245_094,
    totalBytes: 4_402_341_478,
  },
  {
    event: 'stored',
    source: 'orders',
    artifact: 'orders.base.tar',
    plainBytes: 4_402_341_478,
    storedBytes: 1_288_490_188,
    millis: 22_800,
  },
  { event: 'holding', source: 'orders', limit: 10_000 },
  { event: 'held', source: 'orders', at: 11.4 },
  { event: 'flushed', source: 'orders', at: 20.1 },
  { event: 'cut', source: 'orders', from: 40, to: 43, position: orders.position },
  { event: 'resumed', held: { orders: { from: 0, to: 58.2 } }, longest: 58.2 },
  {
    event: 'stored',
    source: 'orders',
    artifact: 'orders.wal.tar',
    plainBytes: 33_554_432,
    storedBytes: 1_843_200,
    millis: 300,
  },
  {
    event: 'stored',
    source: 'orders',
    artifact: 'orders.fingerprint.ndjson',
    plainBytes: 22_528,
    storedBytes: 2_355,
    millis: 200,
  },
  {
    event: 'saved',
    id: '7f3k9q2m',
    job: 'shop',
    level: 'application',
    plainBytes: 4_435_918_438,
    storedBytes: 1_290_335_743,
    millis: 31_000,
    oneInstant: false,
    reasons: [],
    encrypted: false,
    heldMillis: 58.2,
  },
];

/** What a coordinated run of three tells, where one went unheld and one was stored without a known size. */
export const runOfThree: readonly RunEvent[] = [
  {
    event: 'started',
    run: '7f3k9q2m',
    job: 'shop',
    repository: 'local',
    encrypted: true,
    sources: [
      { name: 'shop-pg', engine: 'postgresql', version: '17.6', method: 'snapshot' },
      { name: 'shop-mysql', engine: 'mysql', version: '9.7.4', method: 'dump' },
      { name: 'shop-cache', engine: 'redis', version: '7.0.15', method: 'snapshot' },
    ],
    coordinated: true,
  },
  { event: 'ready', needBytes: 2_040_109_465, freeBytes: 44_023_414_784, millis: 612 },
  { event: 'holding', source: 'shop-mysql', limit: 10_000 },
  { event: 'held', source: 'shop-mysql', at: 3 },
  { event: 'holding', source: 'shop-cache', limit: 10_000 },
  { event: 'held', source: 'shop-cache', at: 9 },
  { event: 'unheld', source: 'shop-pg', reason: { code: 'one-unheld', text: 'one source may go unheld' } },
  { event: 'cut', source: 'shop-mysql', from: 40, to: 41, position: orders.position },
  { event: 'cut', source: 'shop-cache', from: 41, to: 42, position: orders.position },
  { event: 'cut', source: 'shop-pg', from: 40.2, to: 41.5, position: orders.position },
  {
    event: 'resumed',
    held: { 'shop-mysql': { from: 0, to: 58 }, 'shop-cache': { from: 7, to: 56 } },
    longest: 58,
  },
  {
    event: 'stored',
    source: 'shop-pg',
    artifact: 'shop-pg.data.tar',
    plainBytes: 4_402_341_478,
    storedBytes: 1_288_490_188,
    millis: 22_800,
  },
  {
    event: 'progress',
    source: 'shop-mysql',
    artifact: 'shop-mysql.dump.sql',
    plainBytes: 851_443_712,
    storedBytes: 210_763_776,
  },
  {
    event: 'stored',
    source: 'shop-mysql',
    artifact: 'shop-mysql.dump.sql',
    plainBytes: 851_443_712,
    storedBytes: 210_763_776,
    millis: 8_450,
  },
  {
    event: 'warning',
    source: 'shop-cache',
    reason: { code: 'slow', text: 'the append file is being rewritten; the copy of it may take as long again' },
  },
];
