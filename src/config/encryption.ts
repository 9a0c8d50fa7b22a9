import { dirname } from 'node:path';
import type { Encryption } from '../repositories/codec/cipher.ts';
import type { Config } from './load.ts';
import type { RepositoryConfig, SecretConfig } from './schema.ts';
import { type Environment, environmentSecret, readSecret } from './secrets.ts';

/**
 * How a repository encrypts: as the configuration says; where that says nothing, by STILLPOINT_PASSPHRASE and
 * STILLPOINT_IDENTITY or their _FILE. Secrets are read when they are needed: listing and checking need none.
 */
export async function encryptionOf(
  config: Config | undefined,
  repository: string | undefined,
  environment: Environment,
): Promise<Encryption> {
  const settings: NonNullable<RepositoryConfig['encryption']> =
    (repository === undefined ? undefined : config?.data.repositories[repository]?.encryption) ?? {};
  const read = (secret: SecretConfig, what: string) =>
    readSecret(secret, { folder: dirname(config?.path ?? '.'), environment, what: `The ${what} of ${repository}` });
  const own = await environmentSecret(environment, 'STILLPOINT_IDENTITY');
  const { recipients, passphrase, identity } = settings;
  const typed = recipients || passphrase ? undefined : await environmentSecret(environment, 'STILLPOINT_PASSPHRASE');
  return {
    ...(recipients ? { recipients } : {}),
    ...(passphrase ? { passphrase: () => read(passphrase, 'passphrase') } : {}),
    ...(typed ? { passphrase: async () => typed } : {}),
    ...(identity ? { identity: () => read(identity, 'identity') } : {}),
    ...(own ? { identity: async () => own } : {}),
  };
}
