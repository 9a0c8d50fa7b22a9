import type { SourceRequest } from '../backup/world.ts';
import type { Recipe } from '../engines/recipe.ts';
import type { Login, Secret } from '../model/secret.ts';
import type { Instance } from '../runtimes/runtime.ts';
import { type Environment, environmentSecret } from './secrets.ts';

/** The variables that an engine's own client reads: whoever can type `psql` can type `stillpoint`. */
const CLIENTS: Readonly<Record<string, { user: string; password: string; database: string }>> = {
  postgresql: { user: 'PGUSER', password: 'PGPASSWORD', database: 'PGDATABASE' },
};

/**
 * The login of a source. Each part comes from the first that has it: the configuration; the reference; STILLPOINT_USER and
 * STILLPOINT_PASSWORD or their _FILE; the container's own variables or their _FILE; the variables of the engine's own
 * client; the recipe's fallback user. No password at all means that the server's own rules must let the user in.
 */
export async function resolveLogin(
  source: SourceRequest,
  recipe: Recipe,
  environment: Environment,
  instance: Pick<Instance, 'variable'> = {},
): Promise<Login> {
  const { credentials, engine } = recipe.data;
  const client = CLIENTS[engine];
  const own = (name: string | undefined): string | undefined => (name === undefined ? undefined : environment[name]);
  const theirs = async (names: readonly string[]): Promise<Secret | undefined> => {
    for (const name of names) {
      const value = await instance.variable?.(name);
      if (value) return value;
    }
    return undefined;
  };
  const givenUser =
    source.login?.user ?? (source.ref.kind === 'url' ? source.ref.user : undefined) ?? environment.STILLPOINT_USER;
  const user = givenUser ?? (await theirs(credentials.user))?.reveal() ?? own(client?.user) ?? credentials.fallbackUser;
  const password: Secret | undefined =
    source.login?.password ??
    (await environmentSecret(environment, 'STILLPOINT_PASSWORD')) ??
    (await passwordOfContainer()) ??
    (client ? await environmentSecret(environment, client.password) : undefined);
  const database = source.login?.database ?? (await theirs(credentials.database))?.reveal() ?? own(client?.database);
  return { user, ...(password ? { password } : {}), ...(database === undefined ? {} : { database }) };

  /** The container's password is its own user's: it must not be tried for another. */
  async function passwordOfContainer(): Promise<Secret | undefined> {
    const theirUser = (await theirs(credentials.user))?.reveal() ?? credentials.fallbackUser;
    return user === theirUser ? theirs(credentials.password) : undefined;
  }
}
