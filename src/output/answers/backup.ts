import type { Manifest } from '../../model/manifest.ts';
import { bytes, millis, wrap } from '../format.ts';
import type { Look } from '../look.ts';

export function backupText(manifest: Manifest, look: Look): readonly string[] {
  const artifacts = manifest.sources.flatMap((it) => it.artifacts);
  const stored = artifacts.reduce((sum, it) => sum + it.storedBytes, 0);
  const took = Date.parse(manifest.ended) - Date.parse(manifest.started);
  const saved = `Saved ${look.paint.bold(manifest.id)} (job ${manifest.job}), ${bytes(stored)} in ${millis(took)}.`;
  const kept = (manifest.snapshots ?? []).map((it) => `Kept for a rollback: ${it}`);
  return ['', ...wrap([saved, instant(manifest)].join(' ').trimEnd(), look.width), ...kept];
}

const NUMBERS = ['', '', 'Both', 'All three', 'All four', 'All five'];

/** Whether the sources belong to one instant; nothing to say of one alone. */
function instant({ sources, coordination }: Manifest): string {
  if (sources.length < 2) return '';
  if (coordination.claimed) return `${NUMBERS[sources.length] ?? `All ${sources.length}`} at one instant.`;
  const reasons = coordination.reasons.map((it) => it.text).join('; ');
  return `Not at one instant: up to ${millis(coordination.skew)} apart${reasons === '' ? '' : ` (${reasons})`}.`;
}
