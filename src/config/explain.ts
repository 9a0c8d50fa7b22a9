import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import type { Yaml } from './yaml.ts';

/** One mistake in a file, where a person can find it. */
export interface Mistake {
  readonly line: number;
  readonly text: string;
}

type Issue = z.core.$ZodIssue;
interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** What zod found wrong, in a user's words: unknown keys with the nearest known one, everything with its line. */
export function explain(issues: readonly Issue[], yaml: Yaml, schema: JsonSchema): readonly Mistake[] {
  const mistakes: Mistake[] = [];
  const misspelt = new Set<string>();
  const flat = issues.flatMap((it) => flatten(it, []));
  for (const issue of flat) {
    if (issue.code !== 'unrecognized_keys') continue;
    const known = knownKeys(schema, issue.path);
    for (const key of issue.keys) {
      const near = nearest(key, known);
      if (near !== undefined) misspelt.add([...issue.path, near].join('.'));
      const where = issue.path.length === 0 ? '' : ` in ${issue.path.join('.')}`;
      const hint = near === undefined ? `; known here: ${known.join(', ')}` : `; did you mean '${near}'?`;
      mistakes.push({ line: yaml.line([...issue.path, key]), text: `unknown key '${key}'${where}${hint}` });
    }
  }
  for (const issue of flat) {
    const where = issue.path.join('.');
    // A misspelt key is also a missing one: once is enough.
    if (issue.code === 'unrecognized_keys' || misspelt.has(where)) continue;
    mistakes.push({ line: yaml.line(issue.path), text: `${where || 'the file'}: ${words(issue)}` });
  }
  return mistakes.toSorted((a, b) => a.line - b.line);
}

/** The known key that someone who typed `key` meant. */
export function nearest(key: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const longer = known.filter((it) => key.length > 2 && it.toLowerCase().startsWith(key.toLowerCase()));
  if (longer.length === 1) return longer[0];
  const near = closest(key.toLowerCase(), [...known]);
  return distance(key.toLowerCase(), near.toLowerCase()) <= Math.max(2, Math.floor(key.length / 3)) ? near : undefined;
}

/** Issues with their whole path; of a union, those of the shape that the user was writing. */
function flatten(issue: Issue, above: readonly PropertyKey[]): readonly Issue[] {
  const path = [...above, ...issue.path];
  if (issue.code !== 'invalid_union') return [{ ...issue, path }];
  const shapes = issue.errors.filter((it) => !it.some((one) => one.code === 'invalid_type' && one.path.length === 0));
  const meant = shapes.toSorted((a, b) => a.length - b.length)[0];
  if (!meant) return [{ ...issue, path }];
  return meant.flatMap((it) => flatten(it, path));
}

function knownKeys(schema: JsonSchema, path: readonly PropertyKey[]): readonly string[] {
  let here: readonly JsonSchema[] = [schema];
  for (const key of path) here = here.flatMap(shapes).flatMap((it) => below(it, key));
  return [...new Set(here.flatMap(shapes).flatMap((it) => Object.keys(it.properties ?? {})))];
}

const shapes = (schema: JsonSchema): readonly JsonSchema[] => schema.anyOf?.flatMap(shapes) ?? [schema];

function below(schema: JsonSchema, key: PropertyKey): readonly JsonSchema[] {
  if (typeof key === 'number') return schema.items ? [schema.items] : [];
  const named = schema.properties?.[String(key)];
  if (named) return [named];
  return typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
}

function words(issue: Issue): string {
  if (issue.code === 'invalid_key') return issue.issues.map((it) => it.message).join('; ');
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  if (issue.code === 'invalid_union') return 'has a form that is not known here';
  if (issue.code !== 'invalid_type') return issue.message;
  if (issue.message.endsWith('received undefined')) return 'is missing';
  return `must be ${KINDS[issue.expected] ?? `a ${issue.expected}`}`;
}

const KINDS: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'text; put it in quotes',
  boolean: 'true or false',
  int: 'a whole number',
};
