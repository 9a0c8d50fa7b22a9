import { expect, test } from 'vitest';
import { measureList, ratioOf } from '../bench/store-list.ts';

test('STORE-10 10,000 backups are listed within 3 times --version, and that takes less than 4 times node -e 0', async () => {
  const turns = await measureList(15);
  expect(ratioOf(turns, 'stillpoint list', 'stillpoint --version')).toBeLessThan(3);
  expect(ratioOf(turns, 'stillpoint --version', 'node -e 0')).toBeLessThan(4);
}, 180_000);
