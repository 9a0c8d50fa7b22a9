import { readFile } from 'node:fs/promises';
import { StillpointError } from '../model/errors.ts';
import type { Method } from '../model/facts.ts';
import type { Command } from './command.ts';

export const list: Command = async (context) => {
  const recipes = await Promise.all((await context.engineNames()).map((it) => context.recipe(it)));
  return {
    answer: 'recipe list',
    body: recipes.map(({ data }) => ({
      engine: data.engine,
      title: data.title,
      versions: data.versions,
      methods: Object.keys(data.methods),
    })),
    next: `stillpoint recipe show ${recipes[0]?.data.engine ?? 'ENGINE'}`,
  };
};

/** The file itself: it is written to be read. With --grants, the role that a method needs. */
export const show: Command = async (context, [name = ''], options) => {
  const { data, path, sha256 } = await context.recipe(name);
  if (!options.grants)
    return { answer: 'recipe show', body: { name: data.engine, path, sha256, text: await readFile(path, 'utf8') } };
  const methods = Object.keys(data.methods) as Method[];
  const method = options.method ?? methods[0];
  const chosen = method === undefined ? undefined : data.methods[method];
  if (method === undefined || !chosen) {
    throw new StillpointError(
      'usage',
      `The recipe ${data.engine} has no method ${method}; it has ${methods.join(', ')}.`,
    );
  }
  const statements = chosen.grants.map(({ sql, versions }) => ({
    sql,
    ...(versions === undefined ? {} : { versions }),
  }));
  return { answer: 'recipe grants', body: { engine: data.engine, method, statements } };
};

export const validate: Command = async (context, [name = '']) => {
  const { data, path, sha256 } = await context.recipe(name);
  return {
    answer: 'recipe validate',
    body: { name: data.engine, path, sha256 },
    next: `stillpoint recipe show ${name} --grants`,
  };
};
