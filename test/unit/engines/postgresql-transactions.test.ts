import { describe, expect, test } from 'vitest';
import { onlyEnded } from '../../../src/engines/postgresql/transactions.ts';

describe('DOCK-7: which transactions ended between two snapshots', () => {
  test.each([
    ['nothing happened', undefined, '750:750:', '750:750:', true],
    ['only ours', '750', '750:750:', '751:751:', true],
    ['ours, beside one that runs on', '751', '749:751:749', '749:752:749', true],
    ['ours, beside one that began before it and runs on', '751', '750:750:', '750:752:750', true],
    ['another one, before ours', '751', '750:750:', '752:752:', false],
    ['another one, after ours', '750', '750:750:', '752:752:', false],
    ['one that ran', '751', '749:751:749', '752:752:', false],
    ['another one, and nothing of ours', undefined, '750:750:', '751:751:', false],
    ['one of ours from before', '740', '750:750:', '751:751:', false],
    ['more than can be told apart', '9000000', '750:750:', '750:9000001:750', false],
  ])('%s', (_, own, before, after, expected) => {
    expect(onlyEnded(own, before, after)).toBe(expected);
  });
});
