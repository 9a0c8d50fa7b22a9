import { serverOf } from '../detect/recognise.ts';
import type { Engine } from '../engines/engine.ts';
import type { Recipe } from '../engines/recipe.ts';
import { engineOfScheme } from '../engines/schemes.ts';
import type { Facts, Offer } from '../model/facts.ts';
import type { Login } from '../model/secret.ts';
import type { Instance } from '../runtimes/runtime.ts';
import type { JobRequest, SourceRequest, World } from './world.ts';

/** One source found, logged in to and asked: all that a plan is made from, and the handles that a run works with. */
export interface GatheredSource {
  readonly request: SourceRequest;
  readonly engine: Engine;
  readonly recipe: Recipe;
  readonly instance: Instance;
  readonly login: Login;
  readonly facts: Facts;
  readonly offers: readonly Offer[];
}

export interface Gathered {
  readonly job: JobRequest;
  readonly sources: readonly GatheredSource[];
}

/** Finds every source of a job and reads its facts. Changes nothing anywhere. Throws for the first source that fails. */
export async function gather(world: World, job: JobRequest): Promise<Gathered> {
  return { job, sources: await Promise.all(job.sources.map((source) => gatherSource(world, source))) };
}

export async function gatherSource(world: World, request: SourceRequest): Promise<GatheredSource> {
  return askSource(await gatherInstance(world, request));
}

/** What the server says of itself, and what can be done with it. */
export async function askSource(reached: Omit<GatheredSource, 'facts' | 'offers'>): Promise<GatheredSource> {
  const facts = await reached.engine.inspect(reached.instance, reached.login);
  const offers = reached.engine.offers(facts, { oneInstant: false, reasons: [] });
  return { ...reached, facts, offers };
}

/** Finds one source and how to log in to it; logs in nowhere yet. */
export async function gatherInstance(
  world: World,
  request: SourceRequest,
): Promise<Omit<GatheredSource, 'facts' | 'offers'>> {
  const { ref } = request;
  const runtime = await world.runtime(
    ref.kind === 'url' ? 'host' : ref.kind.startsWith('k8s') ? 'kubernetes' : 'docker',
  );
  return reachServer(world, request, await serverAt(world, await runtime.find(ref)));
}

/** How to log in to a server that was found. */
export async function reachServer(
  world: World,
  request: SourceRequest,
  { engine, instance }: { readonly engine: Engine; readonly instance: Instance },
): Promise<Omit<GatheredSource, 'facts' | 'offers'>> {
  const recipe = await world.recipe(engine.name);
  const login = await world.login(request, recipe, instance);
  return { request, engine, recipe, instance, login };
}

/** A URL says what it speaks; a container holds what its evidence shows. */
async function serverAt(world: World, instance: Instance): Promise<{ engine: Engine; instance: Instance }> {
  if (instance.ref.kind !== 'url') return serverOf(instance, await world.engines());
  return { engine: await world.engine(engineOfScheme[instance.ref.scheme]), instance };
}
