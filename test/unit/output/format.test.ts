import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSize } from '../../../src/config/units.ts';
import { age, bar, bytes, clip, listed, millis, plural, table, widthOf, wrap } from '../../../src/output/format.ts';
import { paint } from '../../../src/output/look.ts';

describe('START-9: numbers and columns', () => {
  test.each([
    [0, '0B'],
    [97, '97B'],
    [1023, '1023B'],
    [1024, '1.0K'],
    [38 * 1024 ** 2, '38M'],
    [812 * 1024 ** 2, '812M'],
    [1023.9 * 1024 ** 2, '1.0G'],
    [4.1 * 1024 ** 3, '4.1G'],
    [9.97 * 1024 ** 3, '10G'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('%d bytes are %s', (count, text) => {
    expect(bytes(count)).toBe(text);
  });

  test.each([
    [0, '0 ms'],
    [0.44, '0.4 ms'],
    [9.96, '10 ms'],
    [58.2, '58 ms'],
    [612, '612 ms'],
    [999.6, '1.0 s'],
    [2_340, '2.3 s'],
    [9_970, '10 s'],
    [31_000, '31 s'],
    [59_600, '1m 00s'],
    [124_000, '2m 04s'],
    [3 * 3_600_000 + 12 * 60_000, '3h 12m'],
  ])('%d milliseconds are %s', (value, text) => {
    expect(millis(value)).toBe(text);
  });

  test('a size is at most five characters, is never off by more than a twentieth, and is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (count) => {
        const text = bytes(count);
        expect(text.length).toBeLessThanOrEqual(5);
        expect(Math.abs((parseSize(text) ?? 0) - count) / count).toBeLessThanOrEqual(0.05);
      }),
    );
  });

  test.each([
    [0, 'just now'],
    [5 * 60, '5 min ago'],
    [119 * 60, '119 min ago'],
    [26 * 3600, '26 h ago'],
    [9 * 86_400, '9 d ago'],
  ])('%d seconds ago is %s', (seconds, text) => {
    expect(age(new Date(0).toISOString(), seconds * 1000)).toBe(text);
  });

  test('wrapped text loses no word, keeps its beginning, and is too wide only where a single word is', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,30}$/), { minLength: 1 }), fc.nat(6), (words, spaces) => {
        const text = `${' '.repeat(spaces)}${words.join(' ')}`;
        const lines = wrap(text, 24, '    ');
        expect(lines.join(' ').trim().split(/\s+/)).toEqual(words);
        expect(lines[0]?.startsWith(' '.repeat(spaces))).toBe(true);
        for (const line of lines) expect(line.length <= 24 || !line.trim().includes(' ')).toBe(true);
      }),
    );
  });

  test('colours take no columns', () => {
    const coloured = paint(true).red('DIFFERS');
    expect(coloured).not.toBe('DIFFERS');
    expect(widthOf(coloured)).toBe(7);
    expect(wrap(`${coloured} and more words`, 16)).toEqual([`${coloured} and more`, 'words']);
    expect(paint(false).red('DIFFERS')).toBe('DIFFERS');
  });

  test('a clipped name keeps both ends', () => {
    expect(clip('postgres-127.0.0.1-5432', 16)).toBe('postgres~.1-5432');
    expect(clip('orders', 16)).toBe('orders');
  });

  test('bars, lists and plurals', () => {
    expect(bar(0.5, 10)).toBe('#####-----');
    expect(bar(7, 4)).toBe('####');
    expect([listed([]), listed(['a']), listed(['a', 'b', 'c'])]).toEqual(['', 'a', 'a, b and c']);
    expect([plural(1, 'table'), plural(18_204, 'row')]).toEqual(['1 table', '18,204 rows']);
  });

  test('a table is as wide as it must be and has nothing at its end', () => {
    const columns = [{ title: 'ID' }, { title: 'SIZE', right: true }];
    expect(table(columns, [['a', '1.0K']])).toEqual(['ID  SIZE', 'a   1.0K']);
  });
});
