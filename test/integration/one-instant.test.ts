import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cutter, makeCutter } from '../bank/cut.ts';
import { type Bank, type BankOptions, startBank } from '../bank/servers.ts';
import { startTransfers, type Transfers } from '../bank/transfers.ts';
import { canMount } from '../environment/disks.ts';
import { tryImage } from '../environment/images.ts';

const found = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const obstacle = found && !found.ok ? found.reason : await canMount('btrfs');
const skipped = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;

const SNAPSHOTS = { postgres: 'snapshot', mariadb: 'snapshot' } as const;
const MIXED = { postgres: 'snapshot', mariadb: 'dump' } as const;
const DUMPS = { postgres: 'dump', mariadb: 'dump' } as const;

/** Five cuts of the campaign; `npm run campaign` makes two hundred, and writes docs/one-instant.md. */
const BANKS: readonly (BankOptions & { readonly cuts: readonly (typeof SNAPSHOTS | typeof MIXED | typeof DUMPS)[] })[] =
  [
    { storage: 'one subvolume', durability: 'relaxed', cuts: [SNAPSHOTS, MIXED, DUMPS] },
    { storage: 'two subvolumes', durability: 'strict', cuts: [SNAPSHOTS, SNAPSHOTS] },
  ];

describe.skipIf(obstacle).each(BANKS)(
  `a bank on two engines, $storage, $durability durability${skipped}`,
  (options) => {
    let bank: Bank;
    let cutter: Cutter;
    let transfers: Transfers;
    beforeAll(async () => {
      bank = await startBank(options);
      cutter = await makeCutter(bank);
      transfers = startTransfers({ addresses: bank.addresses, clerks: 6, pause: 4 });
      await sleep(500);
    });
    afterAll(async () => {
      await transfers?.[Symbol.asyncDispose]();
      await cutter?.[Symbol.asyncDispose]();
      await bank?.[Symbol.asyncDispose]();
    });

    test.each(options.cuts)(
      'CUT-3 $postgres and $mariadb: no effect without its cause, and all that was acknowledged before',
      async (methods) => {
        const { manifest, books, due, missing, differences } = await cutter.cut(transfers, { methods });
        expect(manifest.coordination).toMatchObject({ claimed: true, reasons: [] });
        expect(books).toMatchObject({ total: books.opening, uncaused: [], torn: [] });
        expect(due).toBeGreaterThan(100);
        expect(missing).toBe(0);
        expect(differences).toEqual([]);
      },
    );
  },
);
