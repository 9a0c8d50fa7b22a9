import { clip } from './format.ts';
import type { Write } from './write.ts';

/** Where progress goes: lines that stay, and lines that are overwritten until they are done. */
export interface Screen {
  line(text: string): void;
  /** Shows `text` as the present state of `key`. */
  live(key: string, text: string): void;
  /** Forgets `key`, or everything that is live. */
  done(key?: string): void;
}

const REDRAW = 100;
const PLAIN = 10_000;

/** A terminal: what is live stays at the bottom and is redrawn in place, ten times a second at most. */
export function terminalScreen(write: Write, columns: () => number, clock: () => number): Screen {
  const live = new Map<string, string>();
  let drawn = 0;
  let last = Number.NEGATIVE_INFINITY;
  const erase = (): string => (drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`);
  const draw = (before: string): void => {
    const lines = [...live.values()].map((it) => `${clip(it, columns() - 1)}\n`);
    write(`${erase()}${before}${lines.join('')}`);
    drawn = lines.length;
    last = clock();
  };
  return {
    line: (text) => draw(`${text}\n`),
    live(key, text) {
      const isNew = !live.has(key);
      live.set(key, text);
      if (isNew || clock() - last >= REDRAW) draw('');
    },
    done(key) {
      const had = key === undefined ? live.size > 0 : live.has(key);
      if (key === undefined) live.clear();
      else live.delete(key);
      if (had) draw('');
    },
  };
}

/** Not a terminal: a line for each finished thing; for one under way, a line every ten seconds. */
export function plainScreen(write: Write, clock: () => number): Screen {
  const last = new Map<string, number>();
  return {
    line: (text) => write(`${text}\n`),
    live(key, text) {
      const before = last.get(key);
      if (before === undefined) last.set(key, clock());
      else if (clock() - before >= PLAIN) {
        last.set(key, clock());
        write(`${text}\n`);
      }
    },
    done(key) {
      if (key === undefined) last.clear();
      else last.delete(key);
    },
  };
}

/** `-q`: nothing but the result. */
export const silentScreen: Screen = { line: () => {}, live: () => {}, done: () => {} };
