import { OPTIONS, optionNames } from './options.ts';
import { VERBS, type Verb } from './verbs.ts';

/** Help is text made from the tables of verbs and options. Pure. */

const LEFT = 18;
const row = (left: string, text: string): string => `  ${left.padEnd(LEFT - 2)}${text}`;

const verbRows = (screen: Verb['screen']): readonly string[] =>
  VERBS.filter((it) => it.screen === screen).map((it) => row(it.name, it.help));

/** What `stillpoint` alone prints. */
export const firstScreen = (): string =>
  [
    'Stillpoint: backups of databases that are one moment of them, and shown to be.',
    '',
    ...verbRows(1),
    '',
    'More: stillpoint --help',
    'Next: stillpoint detect',
  ].join('\n');

/** What `stillpoint --help` prints. */
export const allHelp = (): string =>
  [
    'stillpoint VERB [ARGUMENTS] [OPTIONS]',
    '',
    ...verbRows(1),
    '',
    ...verbRows(2),
    '',
    'With every verb:',
    ...optionNames.filter((it) => OPTIONS[it].global).flatMap(optionRows),
    row('--version', 'the version'),
    '',
    'A server is named docker:NAME, compose:PROJECT/SERVICE, k8s:NS/POD or',
    'postgres://host:5432; one database of it by #NAME behind that.',
    'Every option is also a variable: -o json is STILLPOINT_OUTPUT=json. Logins:',
    'STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or stillpoint.yaml.',
    'Exit codes: docs/errors.md. One verb: stillpoint VERB --help',
  ].join('\n');

/** What `stillpoint VERB --help` prints. */
export function verbHelp(verb: Verb): string {
  return [
    `stillpoint ${verb.name}${verb.args === '' ? '' : ` ${verb.args.toUpperCase().replaceAll(/[<>]/g, '')}`} [OPTIONS]`,
    '',
    `  ${verb.help}`,
    ...(verb.more === undefined ? [] : ['', ...fill(verb.more)]),
    ...(verb.options.length === 0 ? [] : ['', ...verb.options.flatMap(optionRows)]),
    '',
    ...verb.examples.map((it) => `  $ ${it}`),
    '',
    'Options of every verb: stillpoint --help',
  ].join('\n');
}

function optionRows(name: keyof typeof OPTIONS): readonly string[] {
  const { flags, help, choices } = OPTIONS[name];
  const shown = flags.replace(/<.*>/, (it) => it.slice(1, -1).toUpperCase());
  const text = choices && !help.includes(choices[1] ?? '') ? `${help}: ${choices.join(', ')}` : help;
  return shown.length <= LEFT - 4 ? [row(shown, text)] : [`  ${shown}`, row('', text)];
}

/** Words in lines of 78 with an indent. */
function fill(text: string): readonly string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line.length + word.length > 76) lines.push(`  ${word}`);
    else lines[lines.length - 1] = line === '' ? `  ${word}` : `${line} ${word}`;
  }
  return lines;
}
