import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode, StillpointError } from '../../../src/model/errors.ts';
import { createOutput, type Output, type OutputOptions } from '../../../src/output/output.ts';
import { answerSchemas } from '../../../src/output/schema/answers.ts';
import { eventSchema, lineSchema } from '../../../src/output/schema/events.ts';
import { manifest, plan, run, runOfThree, verified } from './documents.ts';

/** An output on two strings. */
function capture(options: Partial<OutputOptions> & { terminal?: boolean } = {}) {
  const text = { out: '', err: '' };
  const stream = (name: 'out' | 'err') => ({
    write: (more: string) => {
      text[name] += more;
    },
    isTerminal: options.terminal ?? false,
    columns: () => 80,
  });
  const output: Output = createOutput({
    format: 'text',
    quiet: false,
    verbose: false,
    colour: true,
    out: stream('out'),
    err: stream('err'),
    ...options,
  });
  return { output, text };
}

const result = {
  answer: 'backup',
  body: manifest,
  open: 'Not verified yet.',
  next: 'stillpoint verify 7f3k9q2m',
} as const;

describe('START-9: where things go', () => {
  test('text: progress to stderr, the result with the next command to stdout', () => {
    const { output, text } = capture();
    for (const event of run) output.emit(event);
    output.result(result);
    expect(text.out).toBe(
      'Saved 7f3k9q2m (job shop), 1.2G in 31 s.\nNot verified yet. Next: stillpoint verify 7f3k9q2m\n',
    );
    expect(text.err.split('\n').length).toBeGreaterThan(5);
    expect(text.err).not.toContain('Saved');
  });

  test('on a terminal an empty line sets the result apart from the progress', () => {
    const { output, text } = capture({ terminal: true });
    output.result(result);
    expect(text.out.startsWith('\nSaved')).toBe(true);
  });

  test('-q: the result and nothing else', () => {
    const { output, text } = capture({ quiet: true, terminal: true });
    for (const event of run) output.emit(event);
    output.result(result);
    expect(text.err).toBe('');
    expect(text.out.startsWith('Saved')).toBe(true);
  });

  test('json: one document on stdout, valid by its schema', () => {
    const { output, text } = capture({ format: 'json' });
    for (const event of run) output.emit(event);
    output.result(result);
    expect(answerSchemas.backup.parse(JSON.parse(text.out))).toEqual(manifest);
    expect(answerSchemas.plan.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  test('ndjson: each event is a line of stdout when emit returns, valid by its schema; stderr is silent', () => {
    const { output, text } = capture({ format: 'ndjson' });
    const all = [...run, ...runOfThree, { event: 'verified', id: '7f3k9q2m', verification: verified } as const];
    for (const [at, event] of all.entries()) {
      output.emit(event);
      expect(text.out.split('\n').length).toBe(at + 2);
    }
    output.result(result);
    const lines = text.out
      .trim()
      .split('\n')
      .map((it) => JSON.parse(it));
    for (const line of lines) lineSchema.parse(line);
    for (const line of lines.slice(0, -1)) eventSchema.parse(line);
    expect(lines.at(-1)).toMatchObject({ event: 'result', answer: 'backup' });
    expect(text.err).toBe('');
  });

  test('colours only on a terminal, and not with --no-color', () => {
    const error = new StillpointError('unreachable', 'The server does not answer.');
    const shown = [{ terminal: true }, { terminal: true, colour: false }, { terminal: false }].map((options) => {
      const { output, text } = capture(options);
      output.failure(error);
      return text.err.includes('\u001b');
    });
    expect(shown).toEqual([true, false, false]);
  });
});

describe('START-9: failures', () => {
  const failure = (error: StillpointError, options: Partial<OutputOptions> = {}) => {
    const { output, text } = capture(options);
    output.failure(error);
    return text;
  };

  test('say what happened, what it means for the data, and what to do next', () => {
    const error = new StillpointError('login-refused', 'The server at 127.0.0.1:5432 refused the login of shop.');
    expect(failure(error)).toMatchInlineSnapshot(`
      {
        "err": "Failed (login-refused): The server at 127.0.0.1:5432 refused the login of shop.
        Nothing was backed up. Earlier backups are untouched.
      Next: Set STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or user and password in
        stillpoint.yaml.
      ",
        "out": "",
      }
    `);
  });

  test('-v adds where it came from and the exit code', () => {
    const cause = new Error('connect ECONNREFUSED 127.0.0.1:5432');
    cause.stack = 'Error: connect ECONNREFUSED 127.0.0.1:5432\n    at somewhere';
    const error = new StillpointError('unreachable', 'Nothing listens at 127.0.0.1:5432.', { cause });
    expect(failure(error, { verbose: true }).err).toMatchInlineSnapshot(`
      "Failed (unreachable): Nothing listens at 127.0.0.1:5432.
        Nothing was backed up. Earlier backups are untouched.
      Next: Is the server running, and does it listen there?

      Error: connect ECONNREFUSED 127.0.0.1:5432
          at somewhere
      exit 5
      "
    `);
  });

  test('are a document with -o json and a line with -o ndjson', () => {
    const error = new StillpointError('still-held', 'Session 4711 does not end.');
    for (const format of ['json', 'ndjson'] as const)
      expect(eventSchema.parse(JSON.parse(failure(error, { format }).out))).toEqual({
        event: 'failed',
        code: 'still-held',
        message: 'Session 4711 does not end.',
        meaning: 'WRITES MAY STILL BE HELD.',
        next: 'stillpoint recover',
        exit: 8,
      });
  });

  test('a command to type next is never broken over two lines', () => {
    const next = `stillpoint verify 7f3k9q2m --from /a/${'long/'.repeat(20)}path`;
    expect(failure(new StillpointError('damaged', 'x', { next })).err).toContain(`Next: ${next}\n`);
  });

  test.each(Object.keys(ERRORS) as ErrorCode[])('%s: every part ends as a sentence or is a command', (code) => {
    const { exit, meaning, next } = ERRORS[code];
    expect(exit).toBeGreaterThan(0);
    expect(meaning).toMatch(/\.$/);
    expect(next).toMatch(/^((.*: )?stillpoint .*|.*[.?]|.*#.*)$/);
  });

  test('every failure after something was touched says whether writes flow', () => {
    const touching = Object.entries(ERRORS).filter(([, it]) => [7, 8, 130, 143].includes(it.exit));
    for (const [code, it] of touching.filter(([code]) => code !== 'restore-failed'))
      expect(it.meaning, code).toMatch(/writes (may still be held|flow)|nothing was touched/i);
  });
});

describe('START-5: lines are on their way before the next step begins', () => {
  test('a process killed right after emit has written the whole line, through a full pipe too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillpoint-output-'));
    const module = fileURLToPath(new URL('../../../src/output/write.ts', import.meta.url));
    const script = join(folder, 'script.ts');
    writeFileSync(
      script,
      `import { writerTo } from ${JSON.stringify(module)};
       const write = writerTo(1);
       for (let at = 0; at < 3000; at++) write(JSON.stringify({ at, text: 'x'.repeat(200) }) + '\\n');
       process.kill(process.pid, 'SIGKILL');`,
    );
    try {
      const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      // Slower than the writer: the pipe is full most of the time.
      for await (const chunk of child.stdout) {
        text += chunk;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
      const lines = text.trim().split('\n');
      expect(lines.length).toBe(3000);
      expect(JSON.parse(lines[2999] ?? '').at).toBe(2999);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a reader that goes away does not end the run', () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillpoint-output-'));
    const module = fileURLToPath(new URL('../../../src/output/write.ts', import.meta.url));
    writeFileSync(
      join(folder, 'script.ts'),
      `import { writeFileSync } from 'node:fs';
       import { writerTo } from ${JSON.stringify(module)};
       const write = writerTo(1);
       for (let at = 0; at < 3000; at++) write('x'.repeat(200) + '\\n');
       writeFileSync(${JSON.stringify(join(folder, 'done'))}, 'done');`,
    );
    try {
      execFileSync('bash', ['-c', `"$0" "$1" | head -n 1`, process.execPath, join(folder, 'script.ts')]);
      expect(readFileSync(join(folder, 'done'), 'utf8')).toBe('done');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
