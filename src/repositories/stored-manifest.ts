import { createHash } from 'node:crypto';
import { StillpointError } from '../model/errors.ts';
import type { BackupId } from '../model/id.ts';
import type { Artifact, BackupLine, Manifest, Verification } from '../model/manifest.ts';
import type { Instant } from '../model/time.ts';

/** The newest format of manifests and verifications that this program reads and the only one that it writes. */
const FORMAT = 1;

/** The file `manifest.json`. What `list` and `check` need stands apart from the rest, which may be encrypted. */
export interface StoredManifest {
  readonly format: typeof FORMAT;
  readonly line: Omit<BackupLine, 'verification'>;
  readonly files: readonly Pick<Artifact, 'file' | 'storedBytes' | 'storedSha256'>[];
  readonly manifest: Manifest;
}

/** A file `verification-TIME-NONCE.json` beside it. The id is in it so that it counts for no other backup. */
export interface StoredVerification {
  readonly format: typeof FORMAT;
  readonly id: BackupId;
  readonly at: Instant;
  readonly good: boolean;
  readonly verification: Verification;
}

export const storedManifest = (manifest: Manifest): StoredManifest => ({
  format: FORMAT,
  line: lineOf(manifest),
  files: artifactsOf(manifest).map(({ file, storedBytes, storedSha256 }) => ({ file, storedBytes, storedSha256 })),
  manifest,
});

export const storedVerification = (id: BackupId, verification: Verification): StoredVerification => ({
  format: FORMAT,
  id,
  at: verification.at,
  good: verification.good,
  verification,
});

export const artifactsOf = (manifest: Manifest): readonly Artifact[] =>
  manifest.sources.flatMap((source) => source.artifacts);

/** A document as indented JSON with its own SHA-256 as the last key: `jq 'del(.sha256)' | head -c -1 | sha256sum`. */
export function seal(document: object): string {
  const sha256 = createHash('sha256')
    .update(JSON.stringify(document, null, 2))
    .digest('hex');
  return `${JSON.stringify({ ...document, sha256 }, null, 2)}\n`;
}

/**
 * Reads what `seal` wrote. Throws `damaged` where one byte differs, and `repository-format` where a newer program wrote
 * it; to tell the two, every format to come keeps the digest as it is.
 */
export function unseal(text: string, where: string): Record<string, unknown> {
  const { sha256: _, ...document } = parseObject(text, where);
  if (seal(document) !== text) throw damaged(where, 'its bytes do not match the digest in it');
  const { format } = document;
  if (typeof format === 'number' && format <= FORMAT) return document;
  throw new StillpointError(
    'repository-format',
    `${where} has format ${format}; this Stillpoint reads up to ${FORMAT}.`,
  );
}

function parseObject(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(where, text === '' ? 'it is empty' : 'it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw damaged(where, 'it is not an object');
  return { ...value };
}

export const damaged = (where: string, why: string, cause?: unknown): StillpointError =>
  new StillpointError('damaged', `${where} is damaged: ${why}.`, { cause });

/** The manifest's sum for `list`. */
function lineOf(manifest: Manifest): Omit<BackupLine, 'verification'> {
  const artifacts = artifactsOf(manifest);
  const held = Object.values(manifest.window?.held ?? {}).map((evidence) => evidence.held.millis);
  return {
    id: manifest.id,
    job: manifest.job,
    at: cutOf(manifest),
    level: manifest.sources.every((source) => source.level === 'application') ? 'application' : 'crash',
    sources: manifest.sources.map(({ name, engine, version, method }) => ({ name, engine, version, method })),
    ...(held.length === 0 ? {} : { heldMillis: Math.max(...held) }),
    plainBytes: artifacts.reduce((sum, artifact) => sum + artifact.plainBytes, 0),
    storedBytes: artifacts.reduce((sum, artifact) => sum + artifact.storedBytes, 0),
  };
}

/** When the data was as it is in the backup: the first cut, which may be hours after the start. */
const cutOf = (manifest: Manifest): string =>
  Object.values(manifest.window?.cut ?? {})
    .map((interval) => interval.from)
    .sort()[0] ?? manifest.started;
