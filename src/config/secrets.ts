import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf, StillpointError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import type { SecretConfig } from './schema.ts';

/** Environment variables, as cli.ts hands them down. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The secret that the configuration points to. `what` names it in errors; its value is in none. */
export async function readSecret(
  secret: SecretConfig,
  from: { readonly folder: string; readonly environment: Environment; readonly what: string },
): Promise<Secret> {
  if (secret instanceof Secret) return secret;
  if ('file' in secret) return secretFile(resolve(from.folder, secret.file), from.what);
  const value = from.environment[secret.env];
  if (value === undefined) {
    throw new StillpointError('config-invalid', `${from.what}: the environment variable ${secret.env} is not set.`, {
      next: `export ${secret.env}=…   # or name a file instead: { file: /run/secrets/… }`,
    });
  }
  return new Secret(value);
}

/** `NAME` or `NAME_FILE` of the environment; undefined when neither is set. */
export async function environmentSecret(environment: Environment, name: string): Promise<Secret | undefined> {
  const value = environment[name];
  const file = environment[`${name}_FILE`];
  if (value !== undefined && file !== undefined)
    throw new StillpointError('usage', `Both ${name} and ${name}_FILE are set; set one.`, { next: `unset ${name}` });
  if (file !== undefined) return secretFile(file, `${name}_FILE`);
  return value === undefined ? undefined : new Secret(value);
}

/** The text of a file without the newline that editors leave at its end. */
async function secretFile(path: string, what: string): Promise<Secret> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new StillpointError('config-invalid', `${what}: the file ${path} cannot be read: ${messageOf(cause)}.`, {
      next: `ls -l ${path}   # does it exist, and may this user read it?`,
      cause,
    });
  });
  return new Secret(text.replace(/\r?\n$/, ''));
}
