import { z } from 'zod';
import type { BackupLine } from '../../model/manifest.ts';
import type { Answer, Bodies } from '../results.ts';
import type { Agrees, Sure } from './agree.ts';
import { detectedSchema } from './detected.ts';
import { manifestSchema, verificationSchema } from './manifest.ts';
import { id, instant, level, method, millis, reason, size, text } from './nouns.ts';
import { planSchema } from './plan.ts';

const damaged = z.array(z.strictObject({ where: text, text }));

const backupLine = z.strictObject({
  id,
  job: text,
  at: instant,
  level,
  sources: z.array(z.strictObject({ name: text, engine: text, version: text, method })),
  heldMillis: millis.exactOptional(),
  plainBytes: size,
  storedBytes: size,
  verification: z.strictObject({ at: instant, good: z.boolean() }).exactOptional(),
  pinned: z.literal(true).exactOptional(),
}) satisfies z.ZodType<BackupLine>;

/** The one document that each verb prints with `-o json`. */
export const answerSchemas = {
  detect: detectedSchema,
  backup: manifestSchema,
  plan: planSchema,
  list: z.strictObject({
    repository: text,
    encrypted: z.boolean(),
    backups: z.array(backupLine),
    damaged,
    elsewhere: z.array(z.strictObject({ repository: text, holds: z.array(id), problem: text.exactOptional() })),
    rules: z.array(z.strictObject({ job: text, met: z.boolean(), text })),
  }),
  show: z.strictObject({ repository: text, manifest: manifestSchema, verifications: z.array(verificationSchema) }),
  'show commands': z.strictObject({
    id,
    sources: z.array(z.strictObject({ name: text, engine: text, position: text, commands: z.array(text) })),
  }),
  check: z.strictObject({
    repository: text,
    backups: z.array(
      z.strictObject({ id, job: text, storedBytes: size, damage: z.array(z.strictObject({ file: text, text })) }),
    ),
    damaged,
    millis,
  }),
  verify: z.strictObject({ id, job: text, verification: verificationSchema }),
  restore: z.strictObject({
    id,
    restored: z.array(
      z.strictObject({
        source: text,
        folder: text.exactOptional(),
        ref: text.exactOptional(),
        runs: z.boolean().exactOptional(),
      }),
    ),
  }),
  recover: z.strictObject({
    found: z.number(),
    removed: z.number(),
    failed: z.array(z.strictObject({ code: text, message: text, next: text })),
  }),
  forget: z.strictObject({
    repository: text,
    dryRun: z.boolean(),
    backups: z.array(
      z.strictObject({
        id,
        job: text,
        at: instant,
        keep: z.boolean(),
        reasons: z.array(reason),
        failure: text.exactOptional(),
      }),
    ),
  }),
  pin: z.strictObject({ id, job: text, pinned: z.boolean() }),
  copy: z.strictObject({
    id,
    job: text,
    from: text,
    to: text,
    foundBytes: size,
    copiedBytes: size,
    millis,
  }),
  init: z.strictObject({ path: text, key: text }),
  'config validate': z.strictObject({
    path: text,
    repositories: z.array(text),
    jobs: z.array(
      z.strictObject({ name: text, sources: z.array(text), rule: z.strictObject({ met: z.boolean(), text }) }),
    ),
  }),
  'config show': z.strictObject({ path: text, config: z.unknown(), yaml: text }),
  'config schema': z.looseObject({}),
  'recipe list': z.array(z.strictObject({ engine: text, title: text, versions: text, methods: z.array(text) })),
  'recipe show': z.strictObject({ name: text, path: text, sha256: text, text }),
  'recipe grants': z.strictObject({
    engine: text,
    method: text,
    statements: z.array(z.strictObject({ sql: text, versions: text.exactOptional() })),
  }),
  'recipe validate': z.strictObject({ name: text, path: text, sha256: text }),
} satisfies { readonly [A in Answer]: z.ZodType<Bodies[A]> };

export type AnswersAgree = Sure<
  {
    readonly [A in Exclude<Answer, 'config schema'>]: Agrees<Bodies[A], (typeof answerSchemas)[A]>;
  }[Exclude<Answer, 'config schema'>]
>;
