import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { Archive } from '../../../src/engines/postgresql/archive.ts';
import { quarantined } from '../../../src/engines/postgresql/command-line.ts';
import { fitGlobals } from '../../../src/engines/postgresql/globals.ts';
import { choose, onlyEntries, readEntries } from '../../../src/engines/postgresql/select.ts';
import type { Entry } from '../../../src/engines/postgresql/toc.ts';
import { parseTable } from '../../../src/model/part.ts';

/** Numbers and texts as pg_dump writes them (pg_backup_archiver.c, WriteInt and WriteStr). */
const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32LE(Math.abs(value), 1);
  bytes[0] = value < 0 ? 1 : 0;
  return bytes;
};
const text = (value: string | undefined): Buffer =>
  value === undefined ? int(-1) : Buffer.concat([int(Buffer.byteLength(value)), Buffer.from(value)]);

interface Made {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly needs?: readonly number[];
  readonly rows?: string;
}

/** An archive of format 1.14. */
const archive = (made: readonly Made[]): Buffer =>
  Buffer.concat([
    Buffer.from('PGDMP'),
    Buffer.from([1, 14, 0, 4, 8, 1]),
    int(0),
    ...Array.from({ length: 7 }, () => int(1)),
    ...['shop', '15.18', '15.18'].map(text),
    int(made.length),
    ...made.flatMap(({ id, kind, name, needs = [], rows }) => [
      int(id),
      int(rows === undefined ? 0 : 1),
      ...['1259', String(id), name, kind].map(text),
      int(2),
      ...['-- sql', '', '', 'public', '', 'heap', 'postgres', 'false'].map(text),
      ...needs.map((it) => text(String(it))),
      text(undefined),
      Buffer.alloc(9),
    ]),
    ...made.flatMap(({ id, rows }) =>
      rows === undefined ? [] : [Buffer.from([1]), int(id), int(rows.length), Buffer.from(rows), int(0)],
    ),
  ]);

const SHOP: readonly Made[] = [
  { id: 1, kind: 'ENCODING', name: 'ENCODING' },
  { id: 2, kind: 'TYPE', name: 'mood' },
  { id: 3, kind: 'TABLE', name: 'customers', needs: [2] },
  { id: 4, kind: 'TABLE', name: 'orders' },
  { id: 5, kind: 'TABLE DATA', name: 'customers', needs: [3], rows: 'the customers' },
  { id: 6, kind: 'TABLE DATA', name: 'orders', needs: [4], rows: 'the orders' },
  { id: 7, kind: 'CONSTRAINT', name: 'customers customers_pkey', needs: [3] },
  { id: 8, kind: 'FK CONSTRAINT', name: 'orders orders_customer_fkey', needs: [4, 7, 3] },
  { id: 9, kind: 'INDEX', name: 'by_name', needs: [3] },
  { id: 10, kind: 'ACL', name: 'TABLE orders', needs: [4] },
  { id: 11, kind: 'VIEW', name: 'both', needs: [3, 4] },
];
const nothing = (): boolean => false;
const wanted = (table: string) => [{ schema: 'public', table }];

describe('DOCK-9: parts of a dump', () => {
  test.each([1, 3, 7, 1000])(
    'DOCK-9 the archive of one table is whole and holds no row of another, in chunks of %i bytes',
    async (size) => {
      const bytes = archive(SHOP);
      const chunks = (): Readable =>
        Readable.from(
          Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size)),
        );
      const { ids } = choose(await readEntries(chunks()), wanted('orders'), nothing);
      const only = await buffer(onlyEntries(chunks(), ids));
      expect(only.includes('the orders')).toBe(true);
      expect(only.includes('the customers')).toBe(false);
      const whole = new Archive();
      whole.see(only);
      expect(whole.missing()).toBeUndefined();
      const cut = new Archive();
      cut.see(only.subarray(0, -3));
      expect(cut.missing()).toBeDefined();
    },
  );

  test('DOCK-9 what belongs to a table comes along, what it needs too, and what another table has against it does not', async () => {
    const entries = await readEntries(Readable.from([archive(SHOP)]));
    const names = (chosen: ReturnType<typeof choose>) => [
      [...chosen.ids].sort((a, b) => a - b),
      chosen.leftOut.map((it) => it.id),
    ];
    expect(names(choose(entries, wanted('customers'), nothing))).toEqual([[1, 2, 3, 5, 7, 9], []]);
    // The key refers to customers: left out and told, unless they are in the target.
    expect(names(choose(entries, wanted('orders'), nothing))).toEqual([[1, 4, 6, 10], [8]]);
    const there = ({ kind, name }: Entry): boolean => kind === 'TABLE' && name === 'customers';
    expect(names(choose(entries, wanted('orders'), there))).toEqual([[1, 4, 6, 8, 10], []]);
    // A type that the target has is not made again.
    expect(names(choose(entries, wanted('customers'), ({ kind }) => kind === 'TYPE'))[0]).not.toContain(2);
  });

  test('DOCK-9 roles that are there are left alone or changed, the one that is logged in as never; tablespaces are not made', () => {
    const globals = [
      '\\restrict abc',
      'SET standard_conforming_strings = on;',
      'CREATE ROLE clerk;',
      "ALTER ROLE clerk WITH LOGIN PASSWORD 'x';",
      "COMMENT ON ROLE clerk IS 'a;\nCREATE ROLE trap;';",
      'CREATE ROLE postgres;',
      "ALTER ROLE postgres WITH SUPERUSER PASSWORD 'y';",
      'CREATE ROLE "odd ""one";',
      'GRANT clerk TO "odd ""one";',
      "CREATE TABLESPACE fast OWNER postgres LOCATION '/srv/fast';",
      'GRANT ALL ON TABLESPACE fast TO clerk;',
    ].join('\n');
    const kept = (change: boolean): readonly string[] =>
      fitGlobals(globals, new Set(['clerk', 'postgres']), 'postgres', change)
        .text.trim()
        .split('\n');
    expect(kept(false)).toEqual([
      '\\restrict abc',
      'SET standard_conforming_strings = on;',
      'CREATE ROLE "odd ""one";',
      'GRANT clerk TO "odd ""one";',
    ]);
    expect(kept(true).join('\n')).toContain("PASSWORD 'x'");
    expect(kept(true).join('\n')).not.toMatch(/PASSWORD 'y'|TABLESPACE|^CREATE ROLE clerk/m);
    expect(fitGlobals(globals, new Set(), 'postgres', true).tablespaces).toEqual(['fast']);
    expect(() => fitGlobals("COMMENT ON ROLE a IS 'cut", new Set(), 'postgres', true)).toThrow(/end within/);
  });

  test('DOCK-9 no argument of a command line ends the quarantine', () => {
    const line = [
      'postgres',
      '-c',
      'archive_mode=on',
      '--shared-preload-libraries=pg_cron',
      '-cprimary_conninfo=host=a',
      '-c',
      'work_mem=5MB',
    ];
    expect(quarantined(line)).toEqual([
      'postgres',
      '-c',
      'archive_mode=off',
      '--shared-preload-libraries=',
      '-cprimary_conninfo=',
      '-c',
      'work_mem=5MB',
    ]);
  });

  test('DOCK-9 names of tables', () => {
    expect(parseTable('public.orders')).toEqual({ schema: 'public', table: 'orders' });
    expect(parseTable('shop.public."a.b""c"')).toEqual({ database: 'shop', schema: 'public', table: 'a.b"c' });
    for (const wrong of ['orders', 'a.b.c.d', 'a..b', '']) expect(() => parseTable(wrong)).toThrow(/SCHEMA.TABLE/);
  });
});
