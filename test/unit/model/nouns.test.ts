import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { asStillpointError, ERRORS, StillpointError } from '../../../src/model/errors.ts';
import { isId, newId } from '../../../src/model/id.ts';
import { Secret } from '../../../src/model/secret.ts';
import { startInterval } from '../../../src/model/time.ts';

describe('START-3: nouns', () => {
  test('an id has eight characters that nobody mixes up', () => {
    for (let at = 0; at < 1000; at++) {
      const id = newId();
      expect(isId(id)).toBe(true);
      expect(id).toMatch(/^[^ilou]{8}$/);
    }
    expect(['', '7f3k9q2', '7f3k9q2mm', '7F3K9Q2M', '7f3k9q2l'].some(isId)).toBe(false);
  });

  test('a secret is not printed by anything but reveal', () => {
    const secret = new Secret('hunter2');
    const printed = [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
      Object.keys(secret).join(),
      JSON.stringify(Object.entries({ ...secret })),
    ];
    expect(printed.join()).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });

  test('an error carries its exit code, meaning and next step; a throw site may say them better', () => {
    const error = new StillpointError('still-held', 'x', { next: 'do this' });
    expect(error).toMatchObject({ exit: 8, meaning: ERRORS['still-held'].meaning, next: 'do this' });
    expect(asStillpointError(error)).toBe(error);
    const cause = new TypeError('y is not a function');
    expect(asStillpointError(cause)).toMatchObject({ code: 'internal', exit: 1, message: cause.message, cause });
    expect(asStillpointError('thrown text')).toMatchObject({ message: 'thrown text' });
  });

  test('an interval is measured by the monotonic clock', async () => {
    const end = startInterval();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { millis, start, end: to, from } = end();
    expect(millis).toBeGreaterThan(15);
    expect(to - start).toBeCloseTo(millis);
    expect(Date.parse(from)).not.toBeNaN();
  });
});
