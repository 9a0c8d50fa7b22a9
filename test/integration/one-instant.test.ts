import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cutter, type Judged, makeCutter } from '../bank/cut.ts';
import { type Bank, startBank } from '../bank/servers.ts';
import { startTransfers, type Transfers } from '../bank/transfers.ts';
import { tryImage } from '../environment/images.ts';

const found = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const title = `a bank on two engines${found && !found.ok ? ` (skipped: ${found.reason})` : ''}`;

describe.skipIf(found)(title, () => {
  let bank: Bank;
  let cutter: Cutter;
  let transfers: Transfers;
  beforeAll(async () => {
    bank = await startBank({ storage: 'volumes', durability: 'relaxed' });
    cutter = await makeCutter(bank);
    transfers = startTransfers({ addresses: bank.addresses, clerks: 6, pause: 2 });
    await sleep(500);
  });
  afterAll(async () => {
    await transfers?.[Symbol.asyncDispose]();
    await cutter?.[Symbol.asyncDispose]();
    await bank?.[Symbol.asyncDispose]();
  });

  const expectPromise = (judged: Judged): void => {
    expect(judged.manifest.coordination.claimed).toBe(true);
    expect(judged.books).toMatchObject({ total: judged.books.opening, uncaused: [], torn: [] });
    expect(judged.due).toBeGreaterThan(100);
    expect(judged.missing).toBe(0);
    expect(judged.differences).toEqual([]);
  };

  test.each([1, 2])(
    'CUT-3 dumps of both, cut %i: no effect without its cause, and all that was acknowledged before',
    async () => {
      expectPromise(await cutter.cut(transfers, { methods: { postgres: 'dump', mariadb: 'dump' } }));
    },
  );
});
