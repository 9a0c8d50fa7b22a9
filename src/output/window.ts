import { clip, millis } from './format.ts';

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

const BAR = 36;

/**
 * Draws who was held for how long, and where in that time each was cut. One source needs no name.
 *
 *     held     shop-mysql  |=========================|      58 ms
 *              shop-pg     not held: one source may go unheld
 *     cut                           ^^                      2 ms apart
 *     resumed  writes flow; no source was held longer than 58 ms
 */
export function drawWindow(times: WindowTimes, names: readonly string[], left: number): readonly string[] {
  const single = names.length < 2;
  const column = single ? 0 : Math.min(16, Math.max(...names.map((it) => it.length))) + 2;
  const spans = [...Object.values(times.held), ...Object.values(times.cut)];
  const end = Math.max(...spans.map((it) => it.to), 0.001);
  const label = (text: string): string => `  ${text.padEnd(left)}`;
  const name = (text: string): string => (single ? '' : clip(text, column - 2).padEnd(column));
  const at = (time: number): number => Math.min(BAR - 1, Math.max(0, Math.floor((time / end) * BAR)));
  const isHeld = Object.keys(times.held).length > 0;
  const lines: string[] = [];
  const first = (text: string): string => label(lines.length === 0 ? text : '');

  for (const source of names) {
    const span = times.held[source];
    if (!span) continue;
    const from = at(span.from);
    const width = Math.max(2, at(span.to) - from + 1);
    const drawn = `${' '.repeat(from)}|${'='.repeat(width - 2)}|`.padEnd(BAR + 1);
    lines.push(`${first('held')}${name(source)}${drawn}  ${millis(span.to - span.from)}`);
  }
  for (const source of names) {
    const reason = times.unheld[source];
    if (reason === undefined && times.held[source]) continue;
    if (times.cut[source] === undefined && reason === undefined) continue;
    lines.push(`${first('held')}${name(source)}not held${reason === undefined ? '' : `: ${reason}`}`);
  }
  const cuts = Object.values(times.cut);
  if (cuts.length > 0) {
    const skew = Math.max(...cuts.map((it) => it.to)) - Math.min(...cuts.map((it) => it.from));
    const text = single ? `in ${millis(skew)}` : `${millis(skew)} apart`;
    lines.push(
      isHeld ? `${label('cut')}${name('')}${marks(cuts, at).padEnd(BAR + 1)}  ${text}` : `${label('cut')}${text}`,
    );
  }
  const longest = Math.max(...Object.values(times.held).map((it) => it.to - it.from));
  if (isHeld) {
    const rest = single ? `held ${millis(longest)}` : `no source was held longer than ${millis(longest)}`;
    lines.push(`${label('resumed')}writes flow; ${rest}`);
  }
  return lines.map((it) => it.trimEnd());
}

function marks(cuts: readonly Span[], at: (time: number) => number): string {
  const row = Array.from({ length: BAR }, () => ' ');
  for (const cut of cuts) row.fill('^', at(cut.from), at(cut.to) + 1);
  return row.join('');
}
