import type { Acknowledgement } from './application.ts';
import { OPENING, other, SERVERS, type ServerName } from './schema.ts';

/** One server's side of the bank, as it was read from a restored server. */
export interface Ledger {
  /** Over all accounts. */
  readonly cents: number;
  readonly sent: ReadonlyMap<number, { readonly cents: number; readonly settled: boolean }>;
  readonly received: ReadonlyMap<number, number>;
}

export type Ledgers = Readonly<Record<ServerName, Ledger>>;

/** Runs a query on a restored server; rows of texts. */
export type Ask = (sql: string) => Promise<readonly (readonly string[])[]>;

export async function readLedger(ask: Ask): Promise<Ledger> {
  const [[cents = ''] = []] = await ask('SELECT sum(cents) FROM accounts');
  const sent = await ask('SELECT id, cents, settled FROM sent');
  const received = await ask('SELECT id, cents FROM received');
  return {
    cents: Number(cents),
    sent: new Map(
      sent.map(([id, amount, settled]) => [Number(id), { cents: Number(amount), settled: settled === '1' }]),
    ),
    received: new Map(received.map(([id, amount]) => [Number(id), Number(amount)])),
  };
}

/** The bank's books over both servers. They balance when `total` is what the bank opened with, and nothing is uncaused. */
export interface Books {
  readonly total: number;
  readonly opening: number;
  /** Sent, and neither received nor settled: on its way, and no fault. */
  readonly inTransit: { readonly transfers: number; readonly cents: number };
  /** Cents that were received and never sent, and cents that were settled and never received. */
  readonly outOfNothing: number;
  readonly lost: number;
  /** Effects whose cause is not there, in words. */
  readonly uncaused: readonly string[];
  /** Halves of transactions, in words. */
  readonly torn: readonly string[];
}

export function balance(ledgers: Ledgers): Books {
  const uncaused: string[] = [];
  const torn: string[] = [];
  let onTheWay = 0;
  let outOfNothing = 0;
  let lost = 0;
  let cents = 0;
  for (const server of SERVERS) {
    const here = ledgers[server];
    const there = ledgers[other(server)];
    for (const [id, amount] of here.received) {
      if (there.sent.get(id)?.cents === amount) continue;
      uncaused.push(`${server} received ${id}, which ${other(server)} never sent`);
      outOfNothing += amount;
    }
    for (const [id, { settled, cents: amount }] of here.sent) {
      if (there.received.has(id)) continue;
      if (settled) {
        uncaused.push(`${server} settled ${id}, which ${other(server)} never received`);
        lost += amount;
      } else {
        onTheWay++;
        cents += amount;
      }
    }
    const sums = [...here.received.values()].reduce((sum, it) => sum + it, 0);
    const out = [...here.sent.values()].reduce((sum, it) => sum + it.cents, 0);
    if (here.cents !== OPENING + sums - out)
      torn.push(`${server} has ${here.cents} on its accounts, its transfers say ${OPENING + sums - out}`);
  }
  return {
    total: ledgers.postgres.cents + ledgers.mariadb.cents + cents,
    opening: 2 * OPENING,
    inTransit: { transfers: onTheWay, cents },
    outOfNothing,
    lost,
    uncaused,
    torn,
  };
}

/** Acknowledged acts that must be there, because they were acknowledged before `until` of their server, and are not. */
export function missing(
  ledgers: Ledgers,
  acknowledged: readonly Acknowledgement[],
  until: Readonly<Record<ServerName, number>>,
): readonly Acknowledgement[] {
  return acknowledged.filter(({ server, act, id, at }) => {
    if (at >= until[server]) return false;
    const { sent, received } = ledgers[server];
    if (act === 'received') return !received.has(id);
    return act === 'sent' ? !sent.has(id) : sent.get(id)?.settled !== true;
  });
}
