import type { Environment } from '../config/secrets.ts';
import { StillpointError } from '../model/errors.ts';
import type { Options } from './options.ts';
import { VERBS } from './verbs.ts';

/** A word as a shell needs it. */
export const quote = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./#-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** How the repository and the configuration were named on this command line, for the next one. */
export function alike(environment: Environment, options: Options, flag: '--from' | '--to' = '--from'): string {
  const named = options.to ?? options.from;
  const where = named === undefined || named === environment.STILLPOINT_REPOSITORY ? '' : ` ${flag} ${quote(named)}`;
  const file = options.config;
  return `${where}${file === undefined || file === environment.STILLPOINT_CONFIG ? '' : ` -c ${quote(file)}`}`;
}

/** The error with a next command that can be typed as it is: of the same repository, and of the backup that was named. */
export function completed(
  error: StillpointError,
  typed: { readonly args: readonly string[]; readonly options: Options; readonly environment: Environment },
): StillpointError {
  const [, command = '', comment = ''] = /^(.*?)(\s+#\s.*)?$/.exec(error.next) ?? [];
  const verb = VERBS.find((it) => command.startsWith(`stillpoint ${it.name}`));
  if (!verb?.options.includes('from') || command.includes('--from')) return error;
  const [id] = typed.args;
  const named = id === undefined ? command : command.replace(/ ID\b/, ` ${quote(id)}`);
  const next = `${named}${alike(typed.environment, typed.options)}${comment}`;
  const { code, message, meaning, cause } = error;
  return new StillpointError(code, message, { meaning, next, cause });
}
