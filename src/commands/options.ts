import type { Method } from '../model/facts.ts';

/** Every option of every verb: the command line, the environment, the help and docs/options.md are made from this table. */
export interface Options {
  readonly config?: string;
  readonly output: 'text' | 'json' | 'ndjson';
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly yes: boolean;
  readonly color: boolean;
  readonly to?: string;
  readonly from?: string;
  readonly method?: Method;
  readonly keepSnapshot: boolean;
  readonly dryRun: boolean;
  readonly source?: string;
  readonly commands: boolean;
  readonly files?: string;
  readonly as?: string;
  readonly into?: readonly string[];
  readonly inPlace: boolean;
  readonly database?: readonly string[];
  readonly table?: readonly string[];
  readonly replace: boolean;
  readonly activate: boolean;
  readonly run?: string;
  readonly grants: boolean;
  readonly all: boolean;
  readonly keep?: string;
  readonly off: boolean;
}

export type OptionName = keyof Options;

export interface OptionSpec {
  readonly flags: string;
  readonly help: string;
  /** The variable that says the same; the command line wins. */
  readonly variable: string;
  readonly global?: true;
  readonly choices?: readonly string[];
  /** May be given several times; in its variable they stand with commas between them. */
  readonly many?: true;
  readonly initial?: string | boolean;
}

const flag = { initial: false } as const;

export const OPTIONS: Readonly<Record<OptionName, OptionSpec>> = {
  config: {
    flags: '-c, --config <file>',
    help: 'else ./stillpoint.yaml, /etc/stillpoint/stillpoint.yaml',
    variable: 'STILLPOINT_CONFIG',
    global: true,
  },
  output: {
    flags: '-o, --output <format>',
    help: 'text, json (one document), ndjson (an event a line)',
    variable: 'STILLPOINT_OUTPUT',
    global: true,
    choices: ['text', 'json', 'ndjson'],
    initial: 'text',
  },
  quiet: {
    flags: '-q, --quiet',
    help: 'only the result and errors',
    variable: 'STILLPOINT_QUIET',
    global: true,
    ...flag,
  },
  verbose: {
    flags: '-v, --verbose',
    help: 'every step; with errors their cause and exit code',
    variable: 'STILLPOINT_VERBOSE',
    global: true,
    ...flag,
  },
  yes: { flags: '--yes', help: 'answer every question with yes', variable: 'STILLPOINT_YES', global: true, ...flag },
  color: {
    flags: '--no-color',
    help: 'no colours; NO_COLOR says the same',
    variable: 'STILLPOINT_COLOR',
    global: true,
    initial: true,
  },
  to: {
    flags: '--to <repository>',
    help: 'where to store: a folder or a configured repository',
    variable: 'STILLPOINT_REPOSITORY',
  },
  from: {
    flags: '--from <repository>',
    help: 'where to read: a folder or a configured repository',
    variable: 'STILLPOINT_REPOSITORY',
  },
  method: {
    flags: '--method <method>',
    help: 'snapshot, copy or dump; without it the best possible',
    variable: 'STILLPOINT_METHOD',
    choices: ['snapshot', 'copy', 'dump'],
  },
  keepSnapshot: {
    flags: '--keep-snapshot',
    help: 'leave the storage snapshot there, for an instant rollback',
    variable: 'STILLPOINT_KEEP_SNAPSHOT',
    ...flag,
  },
  dryRun: {
    flags: '-n, --dry-run',
    help: 'print the plan and stop; nothing is held',
    variable: 'STILLPOINT_DRY_RUN',
    ...flag,
  },
  source: { flags: '--source <name>', help: 'only this source of the backup', variable: 'STILLPOINT_SOURCE' },
  commands: {
    flags: '--commands',
    help: 'how to restore by hand with standard tools',
    variable: 'STILLPOINT_COMMANDS',
    ...flag,
  },
  files: {
    flags: '--files <folder>',
    help: 'put the files here; it must be empty; starts nothing',
    variable: 'STILLPOINT_FILES',
  },
  as: {
    flags: '--as <prefix>',
    help: 'new servers beside the old, named PREFIX and their names',
    variable: 'STILLPOINT_AS',
  },
  into: {
    flags: '--into <source=ref>',
    help: 'into a server that exists; REF alone for a single source',
    variable: 'STILLPOINT_INTO',
    many: true,
  },
  inPlace: {
    flags: '--in-place',
    help: 'into the very servers that were backed up',
    variable: 'STILLPOINT_IN_PLACE',
    ...flag,
  },
  database: {
    flags: '--database <name>',
    help: 'only this database; may be repeated',
    variable: 'STILLPOINT_DATABASE',
    many: true,
  },
  table: {
    flags: '--table <table>',
    help: 'only this table, [DB.]SCHEMA.TABLE; may be repeated',
    variable: 'STILLPOINT_TABLE',
    many: true,
  },
  replace: {
    flags: '--replace',
    help: 'what is in the way may be replaced; asks first',
    variable: 'STILLPOINT_REPLACE',
    ...flag,
  },
  activate: {
    flags: '--activate',
    help: 'end the quarantine; says what wakes and asks',
    variable: 'STILLPOINT_ACTIVATE',
    ...flag,
  },
  run: { flags: '--run <id>', help: 'only what this run left', variable: 'STILLPOINT_RUN' },
  grants: {
    flags: '--grants',
    help: 'the least-privilege role of a method, as SQL',
    variable: 'STILLPOINT_GRANTS',
    ...flag,
  },
  all: { flags: '--all', help: 'also what was skipped, and why', variable: 'STILLPOINT_ALL', ...flag },
  keep: {
    flags: '--keep <rules>',
    help: "last=3,daily=7,weekly=4 ...; else the job's own",
    variable: 'STILLPOINT_KEEP',
  },
  off: { flags: '--off', help: 'let it go again', variable: 'STILLPOINT_OFF', ...flag },
};

export const optionNames = Object.keys(OPTIONS) as readonly OptionName[];
