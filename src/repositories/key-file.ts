import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { now } from '../model/time.ts';

/** Makes a new key as age-keygen does, mode 0600, durably; returns its public half. Throws EEXIST, never overwrites. */
export async function createKeyFile(path: string): Promise<string> {
  const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`# created: ${now()}\n# public key: ${recipient}\n${identity}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return recipient;
}
