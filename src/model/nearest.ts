import { closest, distance } from 'fastest-levenshtein';

/** The known name that someone who typed `name` meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const longer = known.filter((it) => name.length > 2 && it.toLowerCase().startsWith(name.toLowerCase()));
  if (longer.length === 1) return longer[0];
  const near = closest(name.toLowerCase(), [...known]);
  return distance(name.toLowerCase(), near.toLowerCase()) <= Math.max(2, Math.floor(name.length / 3))
    ? near
    : undefined;
}
