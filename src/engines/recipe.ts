import { z } from 'zod';

/**
 * A recipe: what Stillpoint says to one engine, as data that a DBA can read, audit and override. No conditions, loops or
 * variables beyond named parameters in braces; order, sessions and errors are TypeScript in the engine.
 */
const versions = z.string().regex(/^\d+(\.\d+)?(-(\d+(\.\d+)?)?)?$/, 'write 15, 12-14 or 17-');

const statement = z
  .strictObject({
    versions: versions.optional().describe('Major versions that it is for; absent: all of the recipe'),
    sql: z.string().min(1),
    scope: z.enum(['transaction', 'session', 'server']).default('session').describe('What outlives the statement'),
    undo: z.string().optional().describe('What takes it back; required when the scope is the server'),
    blocks: z.string().optional().describe('What other sessions notice'),
  })
  .refine((it) => it.scope !== 'server' || it.undo !== undefined, {
    message: 'a statement with scope: server needs an undo',
  });

const method = z.strictObject({
  level: z.enum(['crash', 'application']),
  summary: z.string(),
  privileges: z.array(z.strictObject({ what: z.string(), why: z.string(), versions: versions.optional() })),
  grants: z.array(z.strictObject({ sql: z.string(), versions: versions.optional() })),
  blocks: z.string(),
  statements: z.record(z.string(), z.union([z.string(), z.array(statement).min(1)])),
});

export const recipeSchema = z.strictObject({
  format: z.literal(1),
  engine: z.string(),
  title: z.string(),
  versions,
  evidence: z.strictObject({
    processes: z.array(z.string()),
    markers: z.array(z.string()),
    ports: z.array(z.int()),
    environment: z.array(z.string()),
  }),
  credentials: z.strictObject({
    user: z.array(z.string()),
    password: z.array(z.string()),
    database: z.array(z.string()),
    fallbackUser: z.string(),
  }),
  tools: z.record(z.string(), z.string()),
  methods: z.partialRecord(z.enum(['snapshot', 'copy', 'dump']), method),
});

export type RecipeData = z.infer<typeof recipeSchema>;

/** A recipe as loaded: the data, and the digest of the file it came from. */
export interface Recipe {
  readonly data: RecipeData;
  readonly sha256: string;
  /** File it was read from, for messages. */
  readonly path: string;
}

/** `12-14` includes 13; `17-` includes 18. */
export function includesVersion(range: string | undefined, major: number): boolean {
  if (range === undefined) return true;
  const [low, high] = range.split('-');
  if (high === undefined) return Number(low) === major;
  return major >= Number(low) && (high === '' || major <= Number(high));
}

/** The name of the statement that takes another one back. */
export const undoOf = (statement: string): string => `${statement}.undo`;

/** The statements of one method for one version, by name. Pure. */
export function statementsFor(
  recipe: RecipeData,
  name: 'snapshot' | 'copy' | 'dump',
  major: number,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(recipe.methods[name]?.statements ?? {})) {
    const said = typeof value === 'string' ? { sql: value } : value.find((it) => includesVersion(it.versions, major));
    if (said) found[key] = said.sql.trim();
    if (said && 'undo' in said && said.undo !== undefined) found[undoOf(key)] = said.undo.trim();
  }
  return found;
}
