import { clip, millis, wrap } from './format.ts';

/** The window as it was measured, in milliseconds since its first hold was asked for. */
export interface WindowTimes {
  readonly held: Readonly<Record<string, Span>>;
  readonly cut: Readonly<Record<string, Span>>;
  /** Sources that were cut without a hold, and why. */
  readonly unheld: Readonly<Record<string, string>>;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where measurements end, and how much room they get. */
const RIGHT = 76;
const MEASURE = 10;
const WIDTH = 80;

/**
 * Draws who was held for how long, and where in that time each was cut. One source needs no name.
 *
 *     held     shop-mysql  |=========================|         58 ms
 *              shop-pg     not held: one source may go unheld
 *     cut                           ^^                    2 ms apart
 *     resumed  writes flow; no source was held longer than 58 ms
 */
export function drawWindow(times: WindowTimes, names: readonly string[], left: number): readonly string[] {
  const isSingle = names.length < 2;
  const column = isSingle ? 0 : Math.min(16, Math.max(...names.map((it) => it.length))) + 2;
  const room = RIGHT - 2 - left - column - 1 - MEASURE;
  const held = names.flatMap((it) => times.held[it] ?? []);
  const cuts = names.flatMap((it) => times.cut[it] ?? []);
  const end = Math.max(...[...held, ...cuts].map((it) => it.to), Number.MIN_VALUE);
  const at = (time: number): number => Math.min(room - 1, Math.max(0, Math.floor((time / end) * room)));

  const rows: { word: string; name: string; drawn: string; measure?: string }[] = [];
  for (const name of names) {
    const span = times.held[name];
    if (!span) continue;
    const from = Math.min(at(span.from), room - 2);
    const inner = Math.max(0, at(span.to) - from - 1);
    const drawn = `${' '.repeat(from)}|${'='.repeat(inner)}|`;
    rows.push({ word: 'held', name, drawn, measure: millis(span.to - span.from) });
  }
  for (const name of names.filter((it) => !times.held[it] && (times.cut[it] || times.unheld[it] !== undefined))) {
    const reason = times.unheld[name];
    rows.push({ word: 'held', name, drawn: `not held${reason === undefined ? '' : `: ${reason}`}` });
  }
  if (cuts.length > 0) {
    const skew = Math.max(...cuts.map((it) => it.to)) - Math.min(...cuts.map((it) => it.from));
    const measure = isSingle ? `in ${millis(skew)}` : `${millis(skew)} apart`;
    rows.push({ word: 'cut', name: '', drawn: held.length > 0 ? marks(cuts, room, at) : '', measure });
  }
  if (held.length > 0) {
    const longest = millis(Math.max(...held.map((it) => it.to - it.from)));
    const rest = isSingle ? `held ${longest}` : `no source was held longer than ${longest}`;
    rows.push({ word: 'resumed', name: '', drawn: `writes flow; ${rest}` });
  }
  return rows.flatMap(({ word, name, drawn, measure }, index) => {
    const first = rows[index - 1]?.word === word ? '' : word;
    const named = word === 'resumed' || isSingle ? '' : clip(name, column - 2).padEnd(column);
    const line = `  ${first.padEnd(left)}${named}`;
    if (measure !== undefined) return `${line}${drawn.padEnd(room)} ${measure.padStart(MEASURE)}`;
    return wrap(line + drawn, WIDTH, ' '.repeat(2 + left + (isSingle ? 0 : column)));
  });
}

function marks(cuts: readonly Span[], room: number, at: (time: number) => number): string {
  const row = Array.from({ length: room }, () => ' ');
  for (const cut of cuts) row.fill('^', at(cut.from), at(cut.to) + 1);
  return row.join('').trimEnd();
}
