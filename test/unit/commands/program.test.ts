import { describe, expect, test } from 'vitest';
import { verbHelp } from '../../../src/commands/help.ts';
import { OPTIONS, optionNames } from '../../../src/commands/options.ts';
import { readCommandLine } from '../../../src/commands/program.ts';
import { VERBS } from '../../../src/commands/verbs.ts';

const read = (line: string, environment: Record<string, string> = {}) =>
  readCommandLine(line === '' ? [] : line.split(' '), environment, '0.1.0');

/** What is run, or an error. */
function run(line: string, environment: Record<string, string> = {}) {
  const invocation = read(line, environment);
  if (invocation.kind === 'text') throw new Error(`${line} printed: ${invocation.text}`);
  return invocation;
}

function text(line: string): string {
  const invocation = read(line);
  if (invocation.kind !== 'text') throw new Error(`${line} would run`);
  return invocation.text;
}

describe('START-9: the command line', () => {
  test('alone it prints what works and one next step', () => {
    expect(`\n${text('')}\n`).toMatchInlineSnapshot(`
      "
      Stillpoint backs up databases at one moment, and shows that it did by restoring.

        detect    what can be backed up here, how well, and what is in the way
        backup    back up a job of the configuration, or servers by reference
        list      backups: level claimed, last verification, hold, size
        show      one backup, with the evidence for what it claims
        verify    restore into a throwaway server and compare
        restore   bring a backup back: new servers, existing ones, files
        recover   end and remove what dead runs left: holds, slots, servers

      More: stillpoint --help
      Next: stillpoint detect
      "
    `);
  });

  test('--help prints both screens', () => {
    expect(`\n${text('--help')}\n`).toMatchInlineSnapshot(`
      "
      stillpoint VERB [ARGUMENTS] [OPTIONS]

        detect           what can be backed up here, how well, and what is in the way
        backup           back up a job of the configuration, or servers by reference
        list             backups: level claimed, last verification, hold, size
        show             one backup, with the evidence for what it claims
        verify           restore into a throwaway server and compare
        restore          bring a backup back: new servers, existing ones, files
        recover          end and remove what dead runs left: holds, slots, servers

        init             write a commented stillpoint.yaml; never overwrites
        plan             every step with its statement and limit; holds nothing
        check            re-read every stored byte against its digests
        forget           remove what the keep rules let go; -n shows what and why
        pin              keep a backup whatever the rules say; --off lets it go
        copy             the same bytes to a further repository
        config validate  find mistakes in stillpoint.yaml, with their lines
        config show      the configuration as it is understood, without secrets
        config schema    JSON Schema of stillpoint.yaml, for editors
        recipe list      the engines, and how each can be captured
        recipe show      every statement sent to an engine; --grants: its role
        recipe validate  find mistakes in a recipe of your own

      With every verb:
        -c, --config FILE    else ./stillpoint.yaml, /etc/stillpoint/stillpoint.yaml
        -o, --output FORMAT  text, json (one document), ndjson (an event a line)
        -q, --quiet          only the result and errors
        -v, --verbose        every step; with errors their cause and exit code
        --yes                answer every question with yes
        --no-color           no colours; NO_COLOR says the same
        --version            of Stillpoint

      A server is docker:NAME, compose:PROJECT/SERVICE, k8s:NS/POD or
      postgres://HOST:5432; #NAME behind it is one database of it.
      Every option is a variable, too: -o json is STILLPOINT_OUTPUT=json.
      Logins: STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or stillpoint.yaml.
      One verb: stillpoint VERB --help. Exit codes: docs/errors.md.
      "
    `);
    expect(text('-h')).toBe(text('--help'));
  });

  test('a verb with --help', () => {
    expect(`\n${text('verify --help')}\n`).toMatchInlineSnapshot(`
      "
      stillpoint verify [ID] [OPTIONS]

        restore into a throwaway server and compare

        Other tools call reading the bytes a verification; here that is check. verify
        restores, starts the server away from any network, stops at the recorded
        point, and compares tables, sequences, roles and schema. Only this makes a
        backup verified.

        --from REPOSITORY    where to read: a folder or a configured repository

        $ stillpoint verify 7f3k9q2m
        $ stillpoint verify shop@latest

      Options of every verb: stillpoint --help
      "
    `);
    expect(text('config')).toContain('config validate');
  });

  test('help fits into 80 columns and is plain ASCII', () => {
    for (const page of [text(''), text('--help'), text('config'), text('recipe'), ...VERBS.map(verbHelp)]) {
      for (const line of page.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      expect(page).toMatch(/^[\x20-\x7e\n]*$/);
    }
  });

  test('--version', () => {
    expect(text('--version')).toBe('0.1.0');
  });

  test('arguments and options, before and after the verb', () => {
    const { verb, args, options } = run('-o json backup shop other --to /b -n');
    expect(verb.name).toBe('backup');
    expect(args).toEqual(['shop', 'other']);
    expect(options).toMatchObject({ output: 'json', to: '/b', dryRun: true, quiet: false, color: true });
    expect(run('config validate -c x.yaml').options.config).toBe('x.yaml');
  });

  test('every option has a variable; the command line wins', () => {
    const environment = {
      STILLPOINT_OUTPUT: 'ndjson',
      STILLPOINT_REPOSITORY: '/from/variable',
      STILLPOINT_QUIET: '1',
      STILLPOINT_VERBOSE: 'no',
      STILLPOINT_DRY_RUN: 'true',
    };
    expect(run('backup x', environment).options).toMatchObject({
      output: 'ndjson',
      to: '/from/variable',
      quiet: true,
      verbose: false,
      dryRun: true,
    });
    expect(run('backup x --to /b -o text', environment).options).toMatchObject({ output: 'text', to: '/b' });
    expect(run('list', environment).options).toMatchObject({ from: '/from/variable' });
    expect(run('list', { STILLPOINT_QUIET: '' }).options.quiet).toBe(false);
  });

  test('colours: --no-color, NO_COLOR, STILLPOINT_COLOR', () => {
    expect(run('list').options.color).toBe(true);
    expect(run('list --no-color').options.color).toBe(false);
    expect(run('list', { NO_COLOR: '1' }).options.color).toBe(false);
    expect(run('list', { NO_COLOR: '' }).options.color).toBe(true);
    expect(run('list', { STILLPOINT_COLOR: '0' }).options.color).toBe(false);
  });

  test.each([
    ['bakup shop', "There is no 'bakup'. Did you mean 'backup'?"],
    ['config frob', "There is no 'config frob'."],
    ['config valdate', "There is no 'config valdate'. Did you mean 'config validate'?"],
    ['docker:shop-pg', "'docker:shop-pg' is a reference; say what to do with it."],
    ['list --form /x', "Unknown option '--form' (Did you mean --from?)"],
    [
      'list -o xml',
      "Option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are text, json, ndjson.",
    ],
    ['list --from', "Option '--from <repository>' argument missing."],
    ['backup', "Missing required argument 'job-or-ref'."],
    ['list a b', "Too many arguments for 'list'. Expected 1 argument but got 2: a, b."],
  ])('%s is a mistake', (line, message) => {
    expect(() => read(line)).toThrow(expect.objectContaining({ code: 'usage', message }));
  });

  test.each([
    [{ STILLPOINT_OUTPUT: 'xml' }, "STILLPOINT_OUTPUT is 'xml'; write one of text, json, ndjson."],
    [{ STILLPOINT_QUIET: 'maybe' }, "STILLPOINT_QUIET is 'maybe'; write 1 or 0."],
  ])('%o is a mistake', (environment, message) => {
    expect(() => read('list', environment)).toThrow(expect.objectContaining({ code: 'usage', message }));
  });

  test('every option belongs to a verb or to all, and has a variable of its own form', () => {
    for (const name of optionNames) {
      expect(OPTIONS[name].global ?? VERBS.some((it) => it.options.includes(name)), name).toBe(true);
      expect(OPTIONS[name].variable).toMatch(/^STILLPOINT_[A-Z_]+$/);
    }
  });

  test('every verb loads a command', async () => {
    for (const verb of VERBS) expect(await verb.load()).toBeTypeOf('function');
  });
});
