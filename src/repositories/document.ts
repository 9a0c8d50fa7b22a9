import { createHash } from 'node:crypto';
import { StillpointError } from '../model/errors.ts';

/** The newest format of documents in a repository that this program reads, and the only one that it writes. */
export const FORMAT = 1;

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
  const { format, tool = 'a newer Stillpoint' } = document;
  if (typeof format === 'number' && format <= FORMAT) return document;
  throw new StillpointError(
    'repository-format',
    `${where} was written by ${tool} in format ${format}; this Stillpoint reads formats up to ${FORMAT}.`,
    { next: 'npm install -g stillpoint@latest   # then run it again' },
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
