import { listed, table, wrap } from '../format.ts';
import type { Look } from '../look.ts';
import type { Bodies } from '../results.ts';

/** What the verbs say that are about files of the user's: configuration and recipes. */

export const writtenText = ({ path, key }: Bodies['init']): readonly string[] => [
  `Wrote ${path}: read it, it says what will be backed up, and how.`,
  `Wrote ${key}: keep a copy of it elsewhere. Without it no backup can be read.`,
];

export const validConfigText = (
  { path, jobs, repositories }: Bodies['config validate'],
  look: Look,
): readonly string[] => [
  `${path} is valid.`,
  ...jobs.flatMap((it) => [
    `  job ${it.name}: ${listed(it.sources)}`,
    ...wrap(`    ${it.rule.text}`, look.width, '      '),
  ]),
  ...(repositories.length === 0 ? [] : [`  repositories: ${listed(repositories)}`]),
];

export const recipesText = (recipes: Bodies['recipe list']): readonly string[] =>
  table(
    [{ title: 'ENGINE' }, { title: 'VERSIONS' }, { title: 'METHODS' }],
    recipes.map((it) => [it.engine, it.versions, it.methods.join(', ')]),
  );

export const grantsText = ({ engine, method, statements }: Bodies['recipe grants']): readonly string[] => [
  `-- The least that ${method} of ${engine} needs. Choose the password yourself.`,
  ...statements.map((it) => `${it.sql};${it.versions === undefined ? '' : `   -- ${it.versions}`}`),
];

export const recipeText = ({ name, path, sha256 }: Bodies['recipe validate']): readonly string[] => [
  `${name} is valid (${path}, sha256 ${sha256.slice(0, 12)}).`,
];
