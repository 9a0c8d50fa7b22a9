import { z } from 'zod';
import type { RunEvent } from '../../model/events.ts';
import type { Agrees, Sure } from './agree.ts';
import { difference, verificationSchema } from './manifest.ts';
import { id, instant, level, method, millis, position, reason, size, text } from './nouns.ts';

const event = <E extends string, S extends z.core.$ZodShape>(name: E, shape: S) =>
  z.strictObject({ event: z.literal(name), ...shape });
const sourceLine = z.strictObject({ name: text, engine: text, version: text, method });
const source = text.describe('The source that it is about');
const transfer = { source, artifact: text, plainBytes: size, storedBytes: size };

export const eventSchema = z
  .discriminatedUnion('event', [
    event('started', {
      run: id,
      job: text,
      repository: text,
      encrypted: z.boolean(),
      sources: z.array(sourceLine),
      coordinated: z.boolean(),
    }),
    event('ready', { needBytes: size, freeBytes: size, millis }),
    event('step', { source, step: text, text }),
    event('progress', { ...transfer, totalBytes: size.exactOptional() }),
    event('stored', { ...transfer, millis }),
    event('holding', { source, limit: millis }),
    event('held', { source, at: millis }),
    event('unheld', { source, reason }),
    event('flushed', { source, at: millis }),
    event('cut', { source, from: millis, to: millis, position }),
    event('resumed', { held: z.record(text, z.strictObject({ from: millis, to: millis })), longest: millis }),
    event('hook', {
      hook: z.enum(['before', 'held', 'after', 'failed']),
      program: text,
      ok: z.boolean(),
      at: instant,
      millis,
    }),
    event('downgraded', { source, reason }),
    event('saved', {
      id,
      job: text,
      level,
      plainBytes: size,
      storedBytes: size,
      millis,
      oneInstant: z.boolean(),
      reasons: z.array(reason),
      encrypted: z.boolean(),
      heldMillis: millis.exactOptional(),
    }),
    event('restoring', { id, source, into: text }),
    event('recovered', { source, position, millis }),
    event('compared', {
      source,
      tables: z.number(),
      rows: z.number(),
      objects: z.number(),
      unsettled: z.number().exactOptional(),
      differences: z.array(difference),
      millis,
    }),
    event('verified', { id, verification: verificationSchema }),
    event('found', { run: id, kind: text, what: text, holds: z.boolean() }),
    event('removed', { run: id, kind: text, what: text }),
    event('warning', { source: source.exactOptional(), reason }),
    event('failed', { code: text, message: text, meaning: text, next: text, exit: z.int() }),
  ])
  .describe('One line of -o ndjson, written before the next step begins') satisfies z.ZodType<RunEvent>;

/** The last line: what `-o json` would have printed. A failure ends with `failed` instead. */
export const resultLineSchema = z.strictObject({
  event: z.literal('result'),
  answer: text.describe('Which of answers.schema.json the body is'),
  body: z.unknown(),
});

export const lineSchema = z.union([eventSchema, resultLineSchema]);

export type EventAgrees = Sure<Agrees<RunEvent, typeof eventSchema>>;
