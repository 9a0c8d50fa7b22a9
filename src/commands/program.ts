import { Command as Commander, CommanderError, Option } from 'commander';
import { nearest } from '../config/explain.ts';
import type { Environment } from '../config/secrets.ts';
import { StillpointError } from '../model/errors.ts';
import { allHelp, firstScreen, groupHelp, verbHelp } from './help.ts';
import { OPTIONS, type OptionName, type Options, optionNames } from './options.ts';
import { VERBS, type Verb } from './verbs.ts';

/** What a user typed, understood. */
export type Invocation =
  | { readonly kind: 'run'; readonly verb: Verb; readonly args: readonly string[]; readonly options: Options }
  | { readonly kind: 'text'; readonly text: string };

/** Reads a command line and the variables that stand for its options. Throws `usage`. */
export function readCommandLine(argv: readonly string[], environment: Environment, version: string): Invocation {
  let found: Invocation = { kind: 'text', text: firstScreen() };
  const program = new Commander('stillpoint').exitOverride().helpCommand(false).allowExcessArguments();
  program.configureOutput({ writeOut: (text) => (found = { kind: 'text', text }), writeErr: () => {} });
  program.helpInformation = allHelp;
  const globals = optionNames.filter((it) => OPTIONS[it].global);
  for (const name of globals) program.addOption(optionOf(name));
  program.option('--version').action((given: { version?: boolean }) => {
    const [word] = program.args;
    if (word !== undefined) throw unknownVerb(word);
    if (given.version) found = { kind: 'text', text: version };
  });
  for (const verb of VERBS) {
    const command = groupOf(program, verb.name).command(`${verb.name.split(' ').at(-1)} ${verb.args}`);
    command.allowExcessArguments(false);
    for (const name of verb.options) command.addOption(optionOf(name));
    command.helpInformation = () => verbHelp(verb);
    command.action(() => {
      const options = optionsOf(command, environment);
      found = { kind: 'run', verb, args: command.args, options };
    });
  }
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw new StillpointError('usage', sentence(error.message));
  }
  return found;
}

/** `config` of `config show`, made once; alone it prints the help of its verbs. */
function groupOf(program: Commander, name: string): Commander {
  const [group = '', verb] = name.split(' ');
  if (verb === undefined) return program;
  const there = program.commands.find((it) => it.name() === group);
  if (there) return there;
  const made = program.command(group);
  made.helpInformation = () => groupHelp(group);
  return made.allowExcessArguments().action(() => {
    const [word] = made.args;
    if (word !== undefined) throw unknownVerb(word, `${group} `);
    made.help();
  });
}

function optionOf(name: OptionName): Option {
  const { flags, help, choices, initial, many } = OPTIONS[name];
  const option = new Option(flags, help);
  if (choices) option.choices([...choices]);
  if (many) option.argParser((word: string, before: readonly string[] = []) => [...before, word]);
  return initial === undefined || option.negate ? option : option.default(initial);
}

/** The options of a verb: the command line first, then the variables, then what holds without either. */
function optionsOf(command: Commander, environment: Environment): Options {
  const given: Record<string, unknown> = command.optsWithGlobals();
  for (const name of optionNames) {
    const { variable, initial } = OPTIONS[name];
    const text = environment[variable];
    const source = command.getOptionValueSourceWithGlobals(name);
    if (text !== undefined && text !== '' && source !== 'cli') given[name] = readVariable(name, text);
    else given[name] ??= initial;
  }
  if (environment.NO_COLOR !== undefined && environment.NO_COLOR !== '') given.color = false;
  return given as unknown as Options;
}

const TRUTHS: Readonly<Record<string, boolean>> = { 1: true, true: true, yes: true, 0: false, false: false, no: false };

function readVariable(name: OptionName, text: string): string | boolean | readonly string[] {
  const { variable, choices, initial, many } = OPTIONS[name];
  if (many) return text.split(',').map((it) => it.trim());
  if (typeof initial === 'boolean') {
    const truth = TRUTHS[text.toLowerCase()];
    if (truth === undefined) throw new StillpointError('usage', `${variable} is '${text}'; write 1 or 0.`);
    return truth;
  }
  if (choices && !choices.includes(text))
    throw new StillpointError('usage', `${variable} is '${text}'; write one of ${choices.join(', ')}.`);
  return text;
}

function unknownVerb(word: string, group = ''): StillpointError {
  if (word.includes(':'))
    return new StillpointError('usage', `'${word}' is a reference; say what to do with it.`, {
      next: `stillpoint backup ${word} --to DIR`,
    });
  const words = VERBS.filter((it) => it.name.startsWith(group)).map(
    (it) => it.name.slice(group.length).split(' ')[0] ?? '',
  );
  const near = nearest(word, [...new Set(words)]);
  const hint = near === undefined ? '' : ` Did you mean '${group}${near}'?`;
  return new StillpointError('usage', `There is no '${group}${word}'.${hint}`);
}

/** Commander's words as a sentence of ours. */
const sentence = (message: string): string => {
  const text = message.replace(/^error: /, '').replaceAll('\n', ' ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?)]$/.test(text) ? '' : '.'}`;
};
