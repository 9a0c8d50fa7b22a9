import { describe, expect, test } from 'vitest';
import { measureScan } from '../bench/detect.ts';
import { tryImage } from '../environment/images.ts';

const available = await tryImage('idle');
const noDocker = available.ok ? undefined : available.reason;

describe.skipIf(noDocker)(`DOCK-3: scale${noDocker === undefined ? '' : ` (skipped: ${noDocker})`}`, () => {
  test('100 idle containers are looked at within 2 times one bare list and inspect of all their ids', async () => {
    const { containers, ours, bare } = await measureScan(100, 9);
    expect(containers).toBeGreaterThanOrEqual(100);
    // The least disturbed turn of each: other tests may be at work on the same machine.
    expect(Math.min(...ours) / Math.min(...bare)).toBeLessThan(2);
  });
});
