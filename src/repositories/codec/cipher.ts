import { StillpointError } from '../../model/errors.ts';
import type { Secret } from '../../model/secret.ts';
import type { Keys } from './age-header.ts';

/** How a repository encrypts. Secrets are fetched at the first use: `list` and `check` need none. */
export interface Encryption {
  /** `age1…`; the key of any one of them opens what is stored. */
  readonly recipients?: readonly string[];
  /** Instead of recipients. */
  readonly passphrase?: () => Promise<Secret>;
  /** The text of a key file as age-keygen writes it, with one key or several. */
  readonly identity?: () => Promise<Secret>;
}

/** What encrypts, not loaded before something is: `list` needs none of it. */
const age = () => import('./age.ts');

const ARMOUR = '-----BEGIN AGE ENCRYPTED FILE-----';

/** Encrypts for a repository's recipients and decrypts with the keys at hand. */
export class Cipher {
  readonly #encryption: Encryption;
  #read: Promise<Keys> | undefined;

  constructor(encryption: Encryption = {}) {
    this.#encryption = encryption;
  }

  get recipients(): readonly string[] {
    return this.#encryption.recipients ?? [];
  }

  get encrypts(): boolean {
    return this.recipients.length > 0 || this.#encryption.passphrase !== undefined;
  }

  async *encrypt(plain: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { encrypt } = await age();
    yield* encrypt(plain, await this.#toWrite(this.recipients));
  }

  async *decrypt(stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { decrypt } = await age();
    yield* decrypt(stored, await this.#toRead());
  }

  /** For the recipients that another document of the same backup names, so that one key opens all of it. */
  async encryptText(text: string, recipients = this.recipients): Promise<string> {
    const { encryptText } = await age();
    return encryptText(text, await this.#toWrite(recipients));
  }

  /** Throws `wrong-key`, saying whom `what` is encrypted for. */
  async decryptText(armoured: string, what: string, recipients: readonly string[]): Promise<string> {
    const whom = recipients.length === 0 ? 'with a passphrase' : `for ${recipients.join(', ')}`;
    const keys = await this.#toRead();
    if (keys.identities.length === 0 && keys.passphrase === undefined) {
      throw new StillpointError('wrong-key', `${what} is encrypted ${whom}, and no key is given.`);
    }
    try {
      return await (await age()).decryptText(armoured, keys);
    } catch (error) {
      if (!(error instanceof StillpointError && error.code === 'wrong-key')) throw error;
      const { identityToRecipient } = await import('age-encryption');
      const ours = await Promise.all(keys.identities.map((identity) => identityToRecipient(identity)));
      const given =
        ours.length === 0 ? 'the given passphrase is another' : `the given key is that of ${ours.join(', ')}`;
      throw new StillpointError('wrong-key', `${what} is encrypted ${whom}; ${given}.`, { cause: error });
    }
  }

  /** Fails before anything is stored where the recipients or the passphrase cannot be used. */
  async assertUsable(): Promise<void> {
    if (this.encrypts) await this.encryptText('');
  }

  async #toWrite(recipients: readonly string[]): Promise<Keys> {
    if (recipients.length > 0) return { recipients, identities: [] };
    const passphrase = await this.#passphrase();
    if (passphrase !== undefined) return { recipients, identities: [], passphrase };
    throw new StillpointError('wrong-key', 'It is encrypted with a passphrase, and none is given.');
  }

  #toRead(): Promise<Keys> {
    this.#read ??= this.#fetch();
    return this.#read;
  }

  async #fetch(): Promise<Keys> {
    const passphrase = await this.#passphrase();
    const secret = passphrase === undefined ? {} : { passphrase };
    const text = (await this.#encryption.identity?.())?.reveal() ?? '';
    // A key file may itself be locked with the passphrase: age-keygen | age -p -a > key
    const plain = text.startsWith(ARMOUR)
      ? await (await age()).decryptText(text, { recipients: [], identities: [], ...secret })
      : text;
    return { recipients: [], identities: identitiesIn(plain), ...secret };
  }

  async #passphrase(): Promise<string | undefined> {
    const passphrase = (await this.#encryption.passphrase?.())?.reveal();
    if (passphrase !== '') return passphrase;
    throw new StillpointError('config-invalid', 'The passphrase of the repository is empty.');
  }
}

/** The keys in a key file; its comments are skipped. Never quotes a line: it may be most of a key. */
function identitiesIn(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  for (const [index, key] of keys.entries()) {
    if (/^AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]+$/.test(key)) continue;
    throw new StillpointError('wrong-key', `Key ${index + 1} of the key file is not one of age: AGE-SECRET-KEY-1….`, {
      next: 'Name a file that age-keygen or stillpoint init wrote.',
    });
  }
  return keys;
}
