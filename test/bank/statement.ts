import { count, plural } from '../../src/output/format.ts';
import type { Books } from './books.ts';

const money = (cents: number): string =>
  (cents / 100).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** The two pairs of restored servers side by side, on one screen. */
export function statement(together: Books, apart: Books): string {
  const row = (word: string, cell: (books: Books) => string): string =>
    `  ${word.padEnd(26)}${cell(together).padStart(20)}${cell(apart).padStart(28)}`;
  return [
    '',
    'The books, added up in the restored servers',
    '',
    `  ${''.padEnd(26)}${'one job'.padStart(20)}${'one after the other'.padStart(28)}`,
    row('the bank opened with', (it) => money(it.opening)),
    row('on all accounts', (it) => money(it.total - it.inTransit.cents)),
    row('on its way', (it) => `${money(it.inTransit.cents)} in ${count(it.inTransit.transfers)}`),
    row('together', (it) => money(it.total)),
    row('out of nothing', (it) => money(it.outOfNothing)),
    row('lost', (it) => money(it.lost)),
    row('effects without a cause', (it) => count(it.uncaused.length)),
    '',
    ...verdict(together, apart),
    '',
  ].join('\n');
}

function verdict(together: Books, apart: Books): readonly string[] {
  const isWhole = (it: Books): boolean => it.total === it.opening && it.uncaused.length === 0 && it.torn.length === 0;
  const first = isWhole(together)
    ? 'One job: the books balance to the cent. Every effect has its cause.'
    : `One job: THE BOOKS DO NOT BALANCE: ${[...together.torn, ...together.uncaused].slice(0, 3).join('; ')}.`;
  const second = isWhole(apart)
    ? 'One after the other: the books happen to balance, this time.'
    : `One after the other: they do not. ${plural(apart.uncaused.length, 'effect has', 'effects have')} no cause, the first: ${apart.uncaused[0]}.`;
  return [first, second];
}
