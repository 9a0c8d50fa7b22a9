import { z } from 'zod';
import type { Artifact, Difference, Manifest, Verification } from '../../model/manifest.ts';
import type { Agrees, Sure } from './agree.ts';
import { id, instant, interval, level, method, millis, position, reason, recipe, size, text, words } from './nouns.ts';
import { planSchema } from './plan.ts';

const artifact = z.strictObject({
  name: text.describe('What the plain bytes are: orders.base.tar'),
  file: text.describe('The file in the repository: orders.base.tar.zst'),
  plainBytes: size,
  plainSha256: text,
  storedBytes: size,
  storedSha256: text,
}) satisfies z.ZodType<Artifact>;

export const manifestSchema = z
  .strictObject({
    format: z.literal(1),
    id,
    job: text,
    tool: text,
    started: instant,
    ended: instant,
    plan: planSchema,
    window: z
      .strictObject({
        held: z.record(
          text,
          z.strictObject({
            held: interval,
            granted: millis.exactOptional(),
            until: millis.exactOptional(),
            released: millis.exactOptional(),
            session: text,
            unbroken: z.boolean(),
            reasons: z.array(reason),
          }),
        ),
        cut: z.record(text, interval),
        flushed: z.record(text, interval),
      })
      .exactOptional(),
    drained: z
      .strictObject({ by: z.array(text) })
      .exactOptional()
      .describe('Hooks that acknowledged, before the window, that the application had stopped'),
    coordination: z.strictObject({ claimed: z.boolean(), skew: millis, reasons: z.array(reason) }),
    snapshots: z.array(text).describe('Storage snapshots that were kept').exactOptional(),
    sources: z.array(
      z.strictObject({
        name: text,
        ref: text,
        engine: text,
        version: text,
        serverId: text,
        definition: z.looseObject({ runtime: z.enum(['host', 'docker', 'kubernetes']) }),
        method,
        database: text.exactOptional(),
        recipe,
        position,
        level,
        reasons: z.array(reason),
        excluded: z.array(reason),
        settings: words,
        fingerprint: text,
        artifacts: z.array(artifact),
      }),
    ),
  })
  .describe('One backup: stillpoint backup -o json') satisfies z.ZodType<Manifest>;

export const difference = z.strictObject({
  source: text,
  kind: text,
  name: text,
  text,
}) satisfies z.ZodType<Difference>;

export const verificationSchema = z.strictObject({
  at: instant,
  tool: text,
  image: text,
  good: z.boolean(),
  level,
  compared: z.strictObject({
    tables: z.number(),
    rows: z.number(),
    objects: z.number(),
    unsettled: z.number().describe('Changed around the cut, and so not compared').exactOptional(),
  }),
  differences: z.array(difference),
  millis,
}) satisfies z.ZodType<Verification>;

export type ManifestAgrees = Sure<Agrees<Manifest, typeof manifestSchema>>;
export type VerificationAgrees = Sure<Agrees<Verification, typeof verificationSchema>>;
