import { StillpointError } from '../model/errors.ts';
import type { Manifest, SourceRecord } from '../model/manifest.ts';

/** Shows what would happen, and returns when whoever is there agrees. Throws when they do not. */
export type Agree = (source: string, lines: readonly string[], question: string) => Promise<void>;

/** The sources of a backup that were named; none named: all. Throws `not-found`. */
export function chosenSources(manifest: Manifest, names: readonly string[]): readonly SourceRecord[] {
  const known = manifest.sources.map((it) => it.name);
  const unknown = names.find((it) => !known.includes(it));
  if (unknown !== undefined) {
    const text = `The backup ${manifest.id} has no source '${unknown}'; it has: ${known.join(', ')}.`;
    throw new StillpointError('not-found', text, { next: `stillpoint show ${manifest.id}` });
  }
  return manifest.sources.filter((it) => names.length === 0 || names.includes(it.name));
}
