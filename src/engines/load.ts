import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { messageOf, StillpointError } from '../model/errors.ts';
import { type Recipe, recipeSchema } from './recipe.ts';

const shipped = (name: string): string => fileURLToPath(new URL(`../../recipes/${name}.yaml`, import.meta.url));

/** Loads a recipe by engine name, or from a file of the user's. Throws `recipe-invalid` naming the file and the place. */
export async function loadRecipe(nameOrPath: string): Promise<Recipe> {
  const path = /[/.]/.test(nameOrPath) ? nameOrPath : shipped(nameOrPath);
  const text = await readFile(path).catch((cause: unknown) => {
    throw new StillpointError('recipe-invalid', `The recipe ${path} cannot be read: ${messageOf(cause)}.`, { cause });
  });
  const document = parseDocument(text.toString('utf8'));
  const fault = document.errors[0];
  if (fault) throw new StillpointError('recipe-invalid', `The recipe ${path} is not YAML: ${fault.message}`);
  const parsed = recipeSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const issues = parsed.error.issues.map((it) => `${it.path.join('.') || 'top'}: ${it.message}`).join('; ');
    throw new StillpointError('recipe-invalid', `The recipe ${path} is not valid: ${issues}.`);
  }
  return { data: parsed.data, sha256: createHash('sha256').update(text).digest('hex'), path };
}
