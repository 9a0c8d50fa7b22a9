import { describe, expect, test } from 'vitest';
import { balance, type Ledger, missing } from '../bank/books.ts';
import { OPENING } from '../bank/schema.ts';

type Sent = readonly [id: number, cents: number, settled: boolean];

const ledger = (sent: readonly Sent[], received: readonly (readonly [number, number])[]): Ledger => ({
  cents:
    OPENING - sent.reduce((sum, [, cents]) => sum + cents, 0) + received.reduce((sum, [, cents]) => sum + cents, 0),
  sent: new Map(sent.map(([id, cents, settled]) => [id, { cents, settled }])),
  received: new Map(received),
});

describe('the judge of the bank', () => {
  test('a transfer on its way is no fault', () => {
    const books = balance({ postgres: ledger([[1, 50, false]], []), mariadb: ledger([], []) });
    expect(books).toMatchObject({ total: 2 * OPENING, inTransit: { transfers: 1, cents: 50 }, uncaused: [], torn: [] });
  });

  test('received and never sent is money out of nothing', () => {
    const books = balance({ postgres: ledger([], []), mariadb: ledger([], [[1, 50]]) });
    expect(books).toMatchObject({ total: 2 * OPENING + 50, outOfNothing: 50, lost: 0 });
    expect(books.uncaused).toEqual(['mariadb received 1, which postgres never sent']);
  });

  test('settled and never received is money lost', () => {
    const books = balance({ postgres: ledger([], []), mariadb: ledger([[1, 50, true]], []) });
    expect(books).toMatchObject({ total: 2 * OPENING - 50, outOfNothing: 0, lost: 50 });
    expect(books.uncaused).toEqual(['mariadb settled 1, which postgres never received']);
  });

  test('half a transaction is torn', () => {
    const books = balance({ postgres: { ...ledger([[1, 50, false]], []), cents: OPENING }, mariadb: ledger([], []) });
    expect(books.torn).toHaveLength(1);
  });

  test('what was acknowledged in time and is not there is missing; what was acknowledged later need not be', () => {
    const empty = { postgres: ledger([], []), mariadb: ledger([[7, 1, false]], []) };
    const noted = [
      { server: 'postgres', act: 'sent', id: 1, at: 10 },
      { server: 'postgres', act: 'received', id: 2, at: 11 },
      { server: 'postgres', act: 'received', id: 3, at: 12 },
      { server: 'mariadb', act: 'sent', id: 7, at: 10 },
      { server: 'mariadb', act: 'settled', id: 7, at: 10 },
    ] as const;
    const lost = missing(empty, noted, { postgres: 12, mariadb: 12 });
    expect(lost.map(({ server, act, id }) => `${server} ${act} ${id}`)).toEqual([
      'postgres sent 1',
      'postgres received 2',
      'mariadb settled 7',
    ]);
  });
});
