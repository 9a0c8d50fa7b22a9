import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration, parseRate, parseSize } from '../../../src/config/units.ts';

describe('START-9: units as people write them', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['0.5s', 500],
    ['2w', 1_209_600_000],
  ])('%s is a duration', (text, millis) => {
    expect(parseDuration(text)).toBe(millis);
  });

  test.each(['', '10', '10 s', 's', '-1s', '1y', '1h30', 'ten seconds', '1e3s'])('%o is not', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('what is written is read back', () => {
    fc.assert(
      fc.property(fc.nat(10 ** 10), (millis) => {
        expect(parseDuration(formatDuration(millis))).toBe(millis);
      }),
    );
  });

  test.each([
    ['512', 512],
    ['97B', 97],
    ['64K', 65_536],
    ['100MB', 104_857_600],
    ['1.5G', 1_610_612_736],
    ['2GiB', 2_147_483_648],
  ])('%s is a size', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test('a rate is a size a second', () => {
    expect(parseRate('100MB/s')).toBe(104_857_600);
    expect([parseRate('100MB'), parseRate('100MB/m'), parseRate('/s')]).toEqual([undefined, undefined, undefined]);
  });
});
