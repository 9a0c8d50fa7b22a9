import type { BackupId } from '../model/id.ts';
import type { Artifact, BackupLine, Manifest, Verification } from '../model/manifest.ts';
import type { Instant } from '../model/time.ts';
import type { Cipher } from './codec/cipher.ts';
import { damaged, FORMAT } from './document.ts';
import type { StoredFile } from './repository.ts';

/** A document as itself, or as an armoured age file of its JSON: `jq -r .manifest manifest.json | age -d -i KEY`. */
type Sealed<T> = T | string;

/** The file `manifest.json`. What `list` and `check` need is readable without a key; the rest may be encrypted. */
export interface StoredManifest {
  readonly format: typeof FORMAT;
  /** What wrote it, for programs too old to read the rest. */
  readonly tool: string;
  readonly line: Omit<BackupLine, 'verification' | 'pinned'>;
  readonly files: readonly StoredFile[];
  /** Whom it is encrypted for; empty for a passphrase, absent for plain text. */
  readonly recipients?: readonly string[];
  readonly manifest: Sealed<Manifest>;
}

/** A file `verification-TIME-NONCE.json` beside it. The id is in it so that it counts for no other backup. */
export interface StoredVerification {
  readonly format: typeof FORMAT;
  readonly id: BackupId;
  readonly at: Instant;
  readonly good: boolean;
  /** Names tables that differ, so it is encrypted where the manifest is. */
  readonly verification: Sealed<Verification>;
}

export async function storedManifest(manifest: Manifest, cipher: Cipher): Promise<StoredManifest> {
  const files = artifactsOf(manifest).map(({ file, storedBytes, storedSha256 }) => ({
    file,
    storedBytes,
    storedSha256,
  }));
  const head = { format: FORMAT, tool: manifest.tool, line: lineOf(manifest), files } as const;
  if (!cipher.encrypts) return { ...head, manifest };
  return { ...head, recipients: cipher.recipients, manifest: await cipher.encryptText(JSON.stringify(manifest)) };
}

/** The manifest itself. Throws `wrong-key`. */
export const openManifest = (stored: StoredManifest, cipher: Cipher, where: string): Promise<Manifest> =>
  unsealed(stored.manifest, cipher, `Backup ${stored.line.id}`, stored.recipients, where);

export async function storedVerification(
  { line, recipients }: StoredManifest,
  verification: Verification,
  cipher: Cipher,
): Promise<StoredVerification> {
  const { at, good } = verification;
  const sealed = recipients ? await cipher.encryptText(JSON.stringify(verification), recipients) : verification;
  return { format: FORMAT, id: line.id, at, good, verification: sealed };
}

export const openVerification = (
  stored: StoredVerification,
  { recipients }: StoredManifest,
  cipher: Cipher,
  where: string,
): Promise<Verification> =>
  unsealed(stored.verification, cipher, `The verification of ${stored.id}`, recipients, where);

async function unsealed<T extends object>(
  sealed: Sealed<T>,
  cipher: Cipher,
  what: string,
  recipients: readonly string[] = [],
  where: string,
): Promise<T> {
  if (typeof sealed !== 'string') return sealed;
  const text = await cipher.decryptText(sealed, what, recipients);
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw damaged(where, 'what is encrypted in it is not JSON', cause);
  }
}

export const artifactsOf = (manifest: Manifest): readonly Artifact[] =>
  manifest.sources.flatMap((source) => source.artifacts);

/** The manifest's sum for `list`. */
function lineOf(manifest: Manifest): Omit<BackupLine, 'verification' | 'pinned'> {
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
