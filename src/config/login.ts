import type { SourceRequest } from '../backup/world.ts';
import type { Recipe } from '../engines/recipe.ts';
import type { Login, Secret } from '../model/secret.ts';
import { type Environment, environmentSecret } from './secrets.ts';

/** The variables that an engine's own client reads: whoever can type `psql` can type `stillpoint`. */
const CLIENTS: Readonly<Record<string, { user: string; password: string; database: string }>> = {
  postgresql: { user: 'PGUSER', password: 'PGPASSWORD', database: 'PGDATABASE' },
};

/**
 * The login of a source. Each part comes from the first that has it: the configuration; the reference; STILLPOINT_USER and
 * STILLPOINT_PASSWORD or their _FILE; the variables of the engine's own client; the recipe's fallback user. No password
 * at all means that the server's own rules must let the user in.
 */
export async function resolveLogin(source: SourceRequest, recipe: Recipe, environment: Environment): Promise<Login> {
  const client = CLIENTS[recipe.data.engine];
  const own = (name: string | undefined): string | undefined => (name === undefined ? undefined : environment[name]);
  const user =
    source.login?.user ??
    (source.ref.kind === 'url' ? source.ref.user : undefined) ??
    environment.STILLPOINT_USER ??
    own(client?.user) ??
    recipe.data.credentials.fallbackUser;
  const password: Secret | undefined =
    source.login?.password ??
    (await environmentSecret(environment, 'STILLPOINT_PASSWORD')) ??
    (client ? await environmentSecret(environment, client.password) : undefined);
  const database = source.login?.database ?? own(client?.database);
  return { user, ...(password ? { password } : {}), ...(database === undefined ? {} : { database }) };
}
