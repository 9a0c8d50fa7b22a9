import { createCipheriv, createDecipheriv, randomBytes, type ScryptOptions, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { Encrypter, Identity, Recipient, Stanza } from 'age-encryption';
import { messageOf, StillpointError } from '../../model/errors.ts';

/** What opens and closes a file key: public and private keys as age writes them, or a passphrase. */
export interface Keys {
  readonly recipients: readonly string[];
  readonly identities: readonly string[];
  readonly passphrase?: string;
}

// Loaded on first use: its post-quantum arithmetic takes longer to start than `list` to run.
const library = () => import('age-encryption');

/** A new file key, closed for every recipient, or for the passphrase where there is none. */
export async function makeHeader(keys: Keys): Promise<{ readonly header: Buffer; readonly fileKey: Uint8Array }> {
  const { Encrypter, Stanza } = await library();
  const encrypter = new Encrypter();
  let fileKey: Uint8Array = Buffer.alloc(0);
  // The library keeps the file key to itself; a recipient is told it.
  encrypter.addRecipient({
    wrapFileKey: (told) => {
      fileKey = Uint8Array.from(told);
      return [];
    },
  });
  for (const recipient of keys.recipients) addRecipient(encrypter, recipient);
  if (keys.recipients.length === 0) encrypter.addRecipient(passphraseRecipient(keys.passphrase ?? '', Stanza));
  const empty = Buffer.from(await encrypter.encrypt(new Uint8Array(0)));
  return { header: empty.subarray(0, headerLength(empty)), fileKey };
}

function addRecipient(encrypter: Encrypter, recipient: string): void {
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new StillpointError('config-invalid', `'${recipient}' is not an age recipient: ${messageOf(cause)}.`, {
      next: 'Write encryption.recipients as age-keygen prints them: age1…',
      cause,
    });
  }
}

/** The file key. Throws `wrong-key` where none of ours fits, and an Error where the header is damaged. */
export async function openHeader(header: Buffer, keys: Keys): Promise<Uint8Array> {
  const { Decrypter } = await library();
  const decrypter = new Decrypter();
  for (const identity of keys.identities) decrypter.addIdentity(identity);
  if (keys.passphrase !== undefined) decrypter.addIdentity(passphraseIdentity(keys.passphrase));
  let unmatched = false;
  decrypter.addIdentity({
    // Asked last, so it is asked only when no other one fits.
    unwrapFileKey: () => {
      unmatched = true;
      return null;
    },
  });
  try {
    return await decrypter.decryptHeader(header);
  } catch (cause) {
    if (unmatched) throw new StillpointError('wrong-key', 'None of the given keys opens it.', { cause });
    throw cause;
  }
}

/** Length of the header that `bytes` begins with, or undefined while its end is not here. */
export function headerLength(bytes: Buffer): number | undefined {
  const seal = bytes.indexOf('\n--- ');
  const end = seal < 0 ? -1 : bytes.indexOf('\n', seal + 1);
  return end < 0 ? undefined : end + 1;
}

/**
 * Two to this power times 1 KiB is what each opening costs: 64 MiB and a fifth of a second. age's own 18 takes 256 MiB,
 * more than the whole runner may; two bits of a passphrase make up for it. age opens up to 22.
 */
const WORK = 16;
const LABEL = 'age-encryption.org/v1/scrypt';
const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

let last: Promise<unknown> = Promise.resolve();

/** One at a time: the memory of several at once would be more than all of the rest. */
function passphraseKey(passphrase: string, salt: Buffer, work: number): Promise<Buffer> {
  const options = { N: 2 ** work, r: 8, maxmem: 2 ** work * 2048 };
  const key = last.then(() => derive(passphrase, Buffer.concat([Buffer.from(LABEL), salt]), 32, options));
  last = key.catch(() => {});
  return key;
}

// The library's own passphrases hold up the whole process for as long as they take, holds included; these do not.
const passphraseRecipient = (passphrase: string, NewStanza: typeof Stanza): Recipient => ({
  async wrapFileKey(fileKey) {
    const salt = randomBytes(16);
    const key = await passphraseKey(passphrase, salt, WORK);
    const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 });
    const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
    return [new NewStanza(['scrypt', unpadded(salt), String(WORK)], body)];
  },
});

const passphraseIdentity = (passphrase: string): Identity => ({
  async unwrapFileKey(stanzas) {
    const [stanza, ...others] = stanzas;
    const [type, salt, work] = stanza?.args ?? [];
    if (stanza === undefined || type !== 'scrypt') return null;
    // As age itself: nothing beside it, or its sender could not be trusted; and not for hours.
    if (
      others.length > 0 ||
      salt === undefined ||
      !/^([1-9]|1\d|2[0-2])$/.test(work ?? '') ||
      stanza.body.length !== 32
    ) {
      throw new Error('the passphrase stanza of the header is not valid');
    }
    const key = await passphraseKey(passphrase, Buffer.from(salt, 'base64'), Number(work));
    const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: 16 });
    decipher.setAuthTag(stanza.body.subarray(-16));
    const fileKey = decipher.update(stanza.body.subarray(0, -16));
    try {
      decipher.final();
    } catch {
      // The seal does not fit: another passphrase.
      return null;
    }
    return fileKey;
  },
});

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
