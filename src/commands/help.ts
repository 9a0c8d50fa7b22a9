import { OPTIONS, type OptionName, optionNames } from './options.ts';
import { VERBS, type Verb } from './verbs.ts';

/** Help is text made from the tables of verbs and options. Pure. */

const WIDTH = 80;

/** A word on the left and what it is; a word that is too long gets a line of its own. */
const row = (word: string, left: number, text: string): readonly string[] =>
  word.length + 2 <= left ? [`  ${word.padEnd(left)}${text}`] : [`  ${word}`, `  ${''.padEnd(left)}${text}`];

const verbRows = (screen: Verb['screen'], left: number): readonly string[] =>
  VERBS.filter((it) => it.screen === screen).flatMap((it) => row(it.name, left, it.help));

/** What `stillpoint` alone prints. */
export const firstScreen = (): string =>
  [
    'Stillpoint backs up databases at one moment, and shows that it did by restoring.',
    '',
    ...verbRows(1, 10),
    '',
    'More: stillpoint --help',
    'Next: stillpoint detect',
  ].join('\n');

/** What `stillpoint --help` prints. */
export const allHelp = (): string =>
  [
    'stillpoint VERB [ARGUMENTS] [OPTIONS]',
    '',
    ...verbRows(1, 17),
    '',
    ...verbRows(2, 17),
    '',
    'With every verb:',
    ...optionRows(optionNames.filter((it) => OPTIONS[it].global)),
    ...row('--version', 21, 'of Stillpoint'),
    '',
    'A server is docker:NAME, compose:PROJECT/SERVICE, k8s:NS/POD or',
    'postgres://HOST:5432; #NAME behind it is one database of it.',
    'Every option is a variable, too: -o json is STILLPOINT_OUTPUT=json.',
    'Logins: STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or stillpoint.yaml.',
    'One verb: stillpoint VERB --help. Exit codes: docs/errors.md.',
  ].join('\n');

/** What `stillpoint config` prints: the verbs that begin with it. */
export const groupHelp = (group: string): string =>
  [
    ...VERBS.filter((it) => it.name.startsWith(`${group} `)).flatMap((it) => row(it.name, 17, it.help)),
    '',
    `Next: stillpoint ${VERBS.find((it) => it.name.startsWith(`${group} `))?.name}`,
  ].join('\n');

/** What `stillpoint VERB --help` prints. */
export function verbHelp(verb: Verb): string {
  const args = verb.args === '' ? '' : ` ${verb.args.toUpperCase().replaceAll(/[<>]/g, '')}`;
  return [
    `stillpoint ${verb.name}${args} [OPTIONS]`,
    '',
    `  ${verb.help}`,
    ...(verb.more === undefined ? [] : ['', ...fill(verb.more)]),
    ...(verb.options.length === 0 ? [] : ['', ...optionRows(verb.options)]),
    '',
    ...verb.examples.map((it) => `  $ ${it}`),
    '',
    'Options of every verb: stillpoint --help',
  ].join('\n');
}

const optionRows = (names: readonly OptionName[]): readonly string[] =>
  names.flatMap((it) => {
    const { flags, help } = OPTIONS[it];
    return row(
      flags.replace(/<.*>/, (value) => value.slice(1, -1).toUpperCase()),
      21,
      help,
    );
  });

/** Words in indented lines. */
function fill(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > WIDTH) lines.push(`  ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
