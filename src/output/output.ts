import type { StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import { answerText } from './answers/index.ts';
import { type Failed, failureText, nextText } from './failure.ts';
import { wrap } from './format.ts';
import { type Look, paint } from './look.ts';
import { progressPrinter } from './progress.ts';
import type { Result } from './results.ts';
import { plainScreen, type Screen, silentScreen, terminalScreen } from './screen.ts';
import type { Write } from './write.ts';

/** The one way out: events while a command runs, then its result or its failure. */
export interface Output {
  readonly emit: Emit;
  result(result: Result): void;
  failure(error: StillpointError): void;
  /** Help and the version: text, whatever the format is. */
  text(text: string): void;
  /** A word to whoever sits at the terminal, off the record. */
  aside(text: string): void;
}

export interface OutputOptions {
  readonly format: 'text' | 'json' | 'ndjson';
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly colour: boolean;
  readonly out: Stream;
  readonly err: Stream;
}

/** A descriptor to write to, and what is at its other end. */
export interface Stream {
  readonly write: Write;
  readonly isTerminal: boolean;
  readonly columns: () => number;
}

export function createOutput(options: OutputOptions): Output {
  const { out, err } = options;
  const look = (stream: Stream): Look => ({
    width: Math.min(80, stream.columns()),
    paint: paint(options.colour && stream.isTerminal),
    now: Date.now,
    verbose: options.verbose,
  });
  const screen = screenFor(options);
  const progress = progressPrinter(screen, look(err), () => performance.now());
  const line = (value: unknown): void => out.write(`${JSON.stringify(value)}\n`);
  const say = (stream: Stream, lines: readonly string[]): void => stream.write(`${lines.join('\n')}\n`);

  return {
    emit: options.format === 'ndjson' ? line : progress,
    result(result) {
      screen.done();
      if (options.format === 'ndjson') return line({ event: 'result', answer: result.answer, body: result.body });
      if (options.format === 'json') return out.write(`${JSON.stringify(result.body, null, 2)}\n`);
      const lines = [...answerText(result, look(out))];
      for (const note of result.notes ?? []) lines.push(...wrap(note, look(out).width, '  '));
      if (result.next !== undefined) lines.push(...nextText(result.next, look(out), result.open));
      say(out, options.quiet || lines[0] !== '' || !err.isTerminal ? lines.slice(lines[0] === '' ? 1 : 0) : lines);
    },
    failure(error) {
      screen.done();
      const { code, message, meaning, next, exit } = error;
      const failed: Failed = { event: 'failed', code, message, meaning, next, exit };
      if (options.format === 'ndjson') return line(failed);
      if (options.format === 'json') out.write(`${JSON.stringify(failed, null, 2)}\n`);
      say(err, failureText(failed, look(err), causeOf(error)));
    },
    text: (text) => out.write(text.endsWith('\n') ? text : `${text}\n`),
    aside: (text) => screen.line(text),
  };
}

function screenFor({ quiet, format, err }: OutputOptions): Screen {
  if (quiet || format === 'ndjson') return silentScreen;
  const clock = (): number => performance.now();
  return err.isTerminal ? terminalScreen(err.write, err.columns, clock) : plainScreen(err.write, clock);
}

/** Where it came from, for -v: never shown otherwise. */
function causeOf(error: StillpointError): string | undefined {
  const cause = error.cause ?? (error.code === 'internal' ? error : undefined);
  if (cause === undefined) return undefined;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
