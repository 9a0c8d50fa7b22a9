import type { Damage, Verification } from '../model/manifest.ts';
import type { Instant, Millis } from '../model/time.ts';

/**
 * Damage that `check` found, as a verification that failed. Recorded beside the backup, it keeps retention and gate from
 * relying on it; a later `verify` that succeeds takes its place.
 */
export const failedCheck = (
  damage: readonly Damage[],
  { tool, at, millis }: { readonly tool: string; readonly at: Instant; readonly millis: Millis },
): Verification => ({
  at,
  tool,
  image: 'the stored bytes',
  good: false,
  level: 'crash',
  compared: { tables: 0, rows: 0, objects: 0 },
  differences: damage.map(({ file, text }) => ({
    source: file.split('.')[0] ?? file,
    kind: 'stored file',
    name: file,
    text,
  })),
  millis,
});
