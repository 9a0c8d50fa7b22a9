/** Durations, sizes and rates as people write them. Each reader returns undefined for what it cannot read. */

const MILLIS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const BYTES = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4, p: 1024 ** 5 } as const;

const isTime = (unit: string): unit is keyof typeof MILLIS => Object.hasOwn(MILLIS, unit);
const isSize = (unit: string): unit is keyof typeof BYTES => Object.hasOwn(BYTES, unit);

/** `500ms`, `10s`, `1h30m`, `7d` in milliseconds. A bare number is refused: nobody knows whether 10 is seconds. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|[smhdw]))+$/.test(text)) return undefined;
  let millis = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    if (unit === undefined || !isTime(unit)) return undefined;
    millis += Number(number) * MILLIS[unit];
  }
  return millis;
}

/** `512`, `64K`, `1.5G`, `100MB`, `2GiB` in bytes; the units are powers of 1024, as `list` prints them. */
export function parseSize(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?$/i.exec(text);
  const unit = found?.[2]?.toLowerCase() ?? '';
  return found && isSize(unit) ? Math.round(Number(found[1]) * BYTES[unit]) : undefined;
}

/** `100MB/s` in bytes a second. */
export const parseRate = (text: string): number | undefined =>
  text.endsWith('/s') ? parseSize(text.slice(0, -2)) : undefined;

/** A duration as `parseDuration` reads it back: `1h30m`, `500ms`. */
export function formatDuration(millis: number): string {
  let rest = Math.round(millis);
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / MILLIS[unit]);
    rest -= count * MILLIS[unit];
    if (count > 0) text += `${count}${unit}`;
  }
  return text || '0s';
}
