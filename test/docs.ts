/**
 * `npm run docs`: writes what docs/ holds of the code: schemas, errors, verbs and options. test/unit/output/docs.test.ts
 * fails when somebody forgets.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { OPTIONS, optionNames } from '../src/commands/options.ts';
import { VERBS } from '../src/commands/verbs.ts';
import { configJsonSchema } from '../src/config/schema.ts';
import { ERRORS } from '../src/model/errors.ts';
import { answerSchemas } from '../src/output/schema/answers.ts';
import { lineSchema } from '../src/output/schema/events.ts';
import { manifestSchema } from '../src/output/schema/manifest.ts';
import { planSchema } from '../src/output/schema/plan.ts';

export const DOCS = new URL('../docs/', import.meta.url);

/** File name in docs/ and what it must hold. */
export function generatedDocs(): ReadonlyMap<string, string> {
  return new Map([
    ['config.schema.json', json(configJsonSchema())],
    ['events.schema.json', json(z.toJSONSchema(lineSchema))],
    ['plan.schema.json', json(z.toJSONSchema(planSchema))],
    ['manifest.schema.json', json(z.toJSONSchema(manifestSchema))],
    ['answers.schema.json', json({ $defs: Object.fromEntries(Object.entries(answerSchemas).map(definition)) })],
    ['errors.md', errorsPage()],
    ['command-line.md', commandLinePage()],
  ]);
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const definition = ([name, schema]: readonly [string, z.ZodType]): readonly [string, unknown] => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { override: referToFile });
  return [name, rest];
};

/** Plans and manifests have files of their own. */
const FILES: ReadonlyMap<z.core.$ZodType, string> = new Map<z.core.$ZodType, string>([
  [planSchema, 'plan.schema.json'],
  [manifestSchema, 'manifest.schema.json'],
]);

function referToFile(at: { zodSchema: z.core.$ZodType; jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const file = FILES.get(at.zodSchema);
  if (file === undefined) return;
  for (const key of Object.keys(at.jsonSchema)) delete at.jsonSchema[key];
  at.jsonSchema.$ref = file;
}

const GENERATED = '<!-- Written by npm run docs from the tables in src/; change those. -->';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

const EXITS: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'a fault in Stillpoint',
  2: 'usage or configuration',
  3: 'partial: some sources failed, the good ones are kept',
  4: 'refused before anything was touched',
  5: 'a database does not answer, or refuses the login',
  6: 'not found',
  7: 'failed, and writes flow',
  8: '**writes may still be held**: run `stillpoint recover`',
  9: 'verification failed, or stored bytes are damaged',
  10: 'no repository',
  11: 'the repository is locked',
  12: 'wrong key',
  130: 'interrupted (SIGINT)',
  143: 'terminated (SIGTERM, SIGHUP)',
};

function errorsPage(): string {
  const exits = Object.entries(EXITS).map(([exit, text]) => row(exit, text));
  const errors = Object.entries(ERRORS)
    .toSorted(([, a], [, b]) => a.exit - b.exit)
    .map(([code, it]) => row(`\`${code}\``, String(it.exit), it.meaning, it.next));
  return `${[
    '# Errors',
    GENERATED,
    '',
    'Every failure says what happened, what it means for the data, and what to do next. The exit code is for programs;',
    'the code in brackets, and in `-o json` and `-o ndjson`, is more exact.',
    '',
    row('exit', 'means'),
    '|---|---|',
    ...exits,
    '',
    row('code', 'exit', 'what it means for the data', 'what to do next'),
    '|---|---|---|---|',
    ...errors,
  ].join('\n')}\n`;
}

function commandLinePage(): string {
  const option = (name: (typeof optionNames)[number]): string => {
    const { flags, help, variable, choices } = OPTIONS[name];
    return row(`\`${flags}\``, `${help}${choices ? ` (${choices.join(', ')})` : ''}`, `\`${variable}\``);
  };
  const head = [row('option', 'what it says', 'variable'), '|---|---|---|'];
  return `${[
    '# Command line',
    GENERATED,
    '',
    'With every verb. The command line comes first, then the variable, then the configuration.',
    '',
    ...head,
    ...optionNames.filter((it) => OPTIONS[it].global).map(option),
    '',
    'Variables without an option: `STILLPOINT_USER`, `STILLPOINT_PASSWORD` or `STILLPOINT_PASSWORD_FILE` (the login, where',
    'the configuration gives none; then PGUSER and PGPASSWORD for PostgreSQL), `STILLPOINT_IDENTITY` and',
    '`STILLPOINT_PASSPHRASE` or their `_FILE` (the key of an encrypted repository), `STILLPOINT_STATE` (the journal of',
    'runs, by default /var/lib/stillpoint, or ~/.local/state/stillpoint for who is not root), `STILLPOINT_SCRATCH` (where',
    'verify puts its throwaway servers, by default /var/tmp).',
    ...VERBS.flatMap((verb) => [
      '',
      `## ${`stillpoint ${verb.name} ${verb.args}`.trim().replaceAll('<', '').replaceAll('>', '')}`,
      '',
      `${verb.help.charAt(0).toUpperCase()}${verb.help.slice(1)}.${verb.more ? ` ${verb.more}` : ''}`,
      ...(verb.options.length === 0 ? [] : ['', ...head, ...verb.options.map(option)]),
      '',
      '```',
      ...verb.examples,
      '```',
    ]),
  ].join('\n')}\n`;
}

if (import.meta.main) {
  await mkdir(DOCS, { recursive: true });
  for (const [name, text] of generatedDocs()) await writeFile(new URL(name, DOCS), text);
}
