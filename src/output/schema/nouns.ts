import { z } from 'zod';
import type { Method } from '../../model/facts.ts';
import type { Level, Reason } from '../../model/level.ts';
import type { Position } from '../../model/position.ts';
import type { Interval } from '../../model/time.ts';

/** The words that the documents have in common. */

export const text = z.string();
export const millis = z.number().describe('Milliseconds');
export const size = z.number().min(0).describe('Bytes');
export const words = z.record(text, text);
export const id = text.describe('Eight characters; names a run and the backup that it makes');
export const instant = text.describe('ISO 8601, UTC');

export const method = z.enum(['snapshot', 'copy', 'dump']) satisfies z.ZodType<Method>;
export const level = z.enum(['crash', 'application']) satisfies z.ZodType<Level>;
export const reason = z.strictObject({ code: text, text }) satisfies z.ZodType<Reason>;
export const position = z.strictObject({ text, values: words }) satisfies z.ZodType<Position>;

export const interval = z.strictObject({
  from: instant,
  to: instant,
  millis,
  start: millis,
  end: millis,
}) satisfies z.ZodType<Interval>;

export const recipe = z.strictObject({ name: text, sha256: text });
