import { stripVTControlCharacters } from 'node:util';

/** Numbers, times and columns as people read them. Pure. */

/** `97B`, `38M`, `4.1G`: powers of 1024, at most four characters and a unit. */
export function bytes(count: number): string {
  if (!Number.isFinite(count)) return '?';
  let value = count;
  let unit = 'B';
  for (const next of ['K', 'M', 'G', 'T', 'P']) {
    // What would round to 1024 is one of the next unit.
    if (value < 1023.5) break;
    value /= 1024;
    unit = next;
  }
  return `${unit === 'B' || value >= 9.95 ? Math.round(value) : value.toFixed(1)}${unit}`;
}

/** `0.4 ms`, `58 ms`, `2.6 s`, `31 s`, `2m 04s`, `3h 12m`. */
export function millis(value: number): string {
  if (value < 9.95) return `${Number(value.toFixed(1))} ms`;
  if (value < 999.5) return `${Math.round(value)} ms`;
  if (value < 9_950) return `${(value / 1000).toFixed(1)} s`;
  const seconds = Math.round(value / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (part: number): string => String(part).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
}

export const rate = (count: number, over: number): string => (over > 0 ? `${bytes(count / (over / 1000))}/s` : '');

/** `just now`, `5 min ago`, `26 h ago`, `9 d ago`. */
export function age(of: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(of)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 120) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 72 ? `${hours} h ago` : `${Math.floor(hours / 24)} d ago`;
}

/** Local wall-clock time, as a DBA has it on the wall: `2026-11-21 02:00`. */
export function when(instant: string): string {
  const at = new Date(instant);
  const two = (part: number): string => (part < 10 ? `0${part}` : `${part}`);
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `18,204`. By hand: the first use of Intl takes longer than half of `--version`. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** What a verification leaves out. */
export const unsettled = (count: number): string =>
  `${plural(count, 'object')} changed around the cut and could not be compared`;

export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** `a`, `a and b`, `a, b and c`. */
export const listed = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

const TITLES: Readonly<Record<string, string>> = {
  postgresql: 'PostgreSQL',
  mysql: 'MySQL',
  mariadb: 'MariaDB',
  mongodb: 'MongoDB',
  redis: 'Redis',
};

/** An engine as its people write it. */
export const titled = (engine: string): string => TITLES[engine] ?? engine;

/** A filled bar: `####------`. */
export function bar(fraction: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return '#'.repeat(full) + '-'.repeat(width - full);
}

/** Clips in the middle's favour: what tells names apart is at both ends. */
export function clip(text: string, width: number): string {
  if (text.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return `${text.slice(0, width - 1 - tail)}~${tail > 0 ? text.slice(-tail) : ''}`;
}

/** How many columns a text takes: colours take none. */
export const widthOf = (text: string): number => stripVTControlCharacters(text).length;

/**
 * Breaks at spaces and keeps those at the beginning; further lines get `indent`. A word that is too long stays whole: it
 * may be a path or a command.
 */
export function wrap(text: string, width: number, indent = ''): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = /^ */.exec(paragraph)?.[0] ?? '';
    let isEmpty = true;
    for (const word of paragraph.trimStart().split(' ')) {
      const longer = isEmpty ? line + word : `${line} ${word}`;
      if (!isEmpty && widthOf(longer) > width) {
        lines.push(line.trimEnd());
        line = indent + word;
      } else line = longer;
      isEmpty = false;
    }
    lines.push(line.trimEnd());
  }
  return lines;
}

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Columns two spaces apart, as wide as they must be; nothing after the last. Quick: a list may have ten thousand rows. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const cells = [columns.map((it) => it.title), ...rows];
  const widths = columns.map((_, at) => cells.reduce((most, row) => Math.max(most, row[at]?.length ?? 0), 0));
  return cells.map((row) => {
    let line = '';
    let gap = 0;
    for (let at = 0; at < row.length; at += 1) {
      const cell = row[at] ?? '';
      const rest = (widths[at] ?? 0) - cell.length;
      const before = columns[at]?.right ? rest : 0;
      // Written with the next cell, if there is one.
      if (cell !== '') line += ' '.repeat(gap + before) + cell;
      gap = cell === '' ? gap + rest + 2 : rest - before + 2;
    }
    return line;
  });
}
