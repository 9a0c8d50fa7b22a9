import { z } from 'zod';
import type { Detected } from '../detected.ts';
import type { Agrees, Sure } from './agree.ts';
import { level, method, millis, reason, text } from './nouns.ts';
import { factsSchema } from './plan.ts';

const found = z.strictObject({
  ref: text,
  engine: text,
  title: text,
  because: z.array(text).describe('The evidence that decided'),
  version: text.exactOptional(),
  dataDirectory: text.exactOptional(),
  storage: z
    .array(
      z.strictObject({
        path: text,
        hostPath: text.exactOptional(),
        fileSystem: text,
        id: text.describe('Equal for two paths on one volume'),
        kind: z.enum(['host', 'volume', 'bind', 'layer', 'tmpfs']),
      }),
    )
    .describe('Where data, log and what else belongs to it really lie'),
  facts: factsSchema.exactOptional(),
  offers: z.array(
    z.strictObject({
      method,
      possible: z.boolean(),
      level,
      reasons: z.array(reason),
      onePoint: z.literal(true).exactOptional(),
    }),
  ),
  problem: z.strictObject({ code: text, message: text, next: text }).exactOptional(),
});

export const detectedSchema = z.strictObject({
  instances: z.array(found),
  skipped: z.array(z.strictObject({ ref: text, why: text })),
  looked: z.strictObject({ containers: z.int(), containersWithout: z.int(), programs: z.int() }),
  unseen: z.array(z.strictObject({ where: text, why: text })),
  millis,
}) satisfies z.ZodType<Detected>;

export type DetectedAgrees = Sure<Agrees<Detected, typeof detectedSchema>>;
