import { z } from 'zod';
import type { Facts } from '../../model/facts.ts';
import type { Plan } from '../../model/plan.ts';
import type { Volume } from '../../model/storage.ts';
import type { Agrees, Sure } from './agree.ts';
import { id, level, method, millis, reason, recipe, size, text, words } from './nouns.ts';

export const factsSchema = z.strictObject({
  engine: text,
  version: text,
  major: z.number(),
  serverId: text,
  role: z.enum(['primary', 'standby']),
  dataBytes: size,
  paths: z.strictObject({ data: text, log: text, more: z.array(text) }),
  databases: z.array(text),
  tables: z.number(),
  populated: z.array(text).exactOptional(),
  settings: words,
  privileges: z.array(text),
  blockers: z.array(z.strictObject({ code: text, text, methods: z.array(method) })),
}) satisfies z.ZodType<Facts>;

const volume = z.strictObject({
  path: text,
  hostPath: text.exactOptional(),
  fileSystem: text,
  id: text,
  kind: z.enum(['host', 'volume', 'bind', 'layer', 'tmpfs']),
  freeBytes: size,
}) satisfies z.ZodType<Volume>;

export const planSchema = z
  .strictObject({
    format: z.literal(1),
    id,
    job: text,
    sources: z.array(
      z.strictObject({
        name: text,
        ref: text,
        engine: text,
        version: text,
        method,
        database: text.exactOptional(),
        statements: words.describe('The recipe’s statements for this version, by name; no others are executed'),
        recipe,
        level,
        reasons: z.array(reason),
        needs: z.array(z.strictObject({ what: text, met: z.boolean(), detail: text })),
        facts: factsSchema,
      }),
    ),
    consistency: z.enum(['coordinated', 'independent']),
    holdLimit: millis,
    onOverrun: z.enum(['downgrade', 'fail']),
    hold: z.array(text).describe('Sources to hold, in this order'),
    cuts: z.array(
      z.union([
        z.strictObject({ snapshotter: text, volumes: z.record(text, z.array(volume)) }),
        z.strictObject({ source: text }),
      ]),
    ),
    keepSnapshot: z.literal(true).exactOptional(),
    steps: z.array(
      z.strictObject({
        phase: z.enum(['prepare', 'window', 'finish']),
        source: text,
        what: text,
        statement: text.exactOptional(),
        blocks: text.exactOptional(),
        limit: millis.exactOptional(),
      }),
    ),
  })
  .describe('What a run will do: stillpoint plan -o json') satisfies z.ZodType<Plan>;

export type PlanAgrees = Sure<Agrees<Plan, typeof planSchema>>;
