import { serverOf } from '../detect/recognise.ts';
import type { Engine } from '../engines/engine.ts';
import type { Recipe } from '../engines/recipe.ts';
import { engineOfScheme } from '../engines/schemes.ts';
import type { Facts, Offer } from '../model/facts.ts';
import type { Reason } from '../model/level.ts';
import type { Login } from '../model/secret.ts';
import type { Volume } from '../model/storage.ts';
import type { Instance } from '../runtimes/runtime.ts';
import type { StorageOffer } from '../snapshots/snapshotter.ts';
import type { JobRequest, SourceRequest, World } from './world.ts';

/** One source found, logged in to and asked: all that a plan is made from, and the handles that a run works with. */
export interface GatheredSource {
  readonly request: SourceRequest;
  readonly engine: Engine;
  readonly recipe: Recipe;
  readonly instance: Instance;
  readonly login: Login;
  readonly facts: Facts;
  readonly storage: SourceStorage;
  readonly offers: readonly Offer[];
}

/** Where a source's files lie, and who could cut them at one instant. */
export interface SourceStorage {
  readonly volumes: readonly Volume[];
  readonly offer: StorageOffer;
}

/** A source that was found, and how to log in to it. */
export type ReachedSource = Omit<GatheredSource, 'facts' | 'storage' | 'offers'>;

export interface Gathered {
  readonly job: JobRequest;
  readonly sources: readonly GatheredSource[];
}

/** Finds every source of a job and reads its facts. Changes nothing anywhere. Throws for the first source that fails. */
export async function gather(world: World, job: JobRequest): Promise<Gathered> {
  return { job, sources: await Promise.all(job.sources.map((source) => gatherSource(world, source))) };
}

export async function gatherSource(world: World, request: SourceRequest): Promise<GatheredSource> {
  return askSource(world, await gatherInstance(world, request));
}

/** What the server says of itself, where its files lie, and what can be done with them. */
export async function askSource(world: World, reached: ReachedSource): Promise<GatheredSource> {
  const facts = await reached.engine.inspect(reached.instance, reached.login);
  const storage = await storageOf(world, reached.instance, facts);
  return { ...reached, facts, storage, offers: reached.engine.offers(facts, storage.offer) };
}

/** The first snapshotter that cuts all of the files at one instant; else why none does. */
async function storageOf(world: World, instance: Instance, { paths }: Facts): Promise<SourceStorage> {
  const all = paths.data === '' ? [] : [paths.data, paths.log, ...paths.more];
  const volumes = await instance.volumes(all).catch((cause: unknown): readonly Volume[] => {
    // Paths of another machine, or not for us to see.
    if (cause instanceof Error && 'code' in cause) return [];
    throw cause;
  });
  if (volumes.length === 0) {
    const reason = { code: 'not-here', text: 'its files are not to be seen on this machine' };
    return { volumes, offer: { oneInstant: false, reasons: [reason] } };
  }
  const reasons: Reason[] = [];
  for (const snapshotter of await world.snapshotters()) {
    const offer = await snapshotter.probe(volumes);
    if (offer.oneInstant) return { volumes, offer };
    reasons.push(...offer.reasons);
  }
  return { volumes, offer: { oneInstant: false, reasons } };
}

/** Finds one source and how to log in to it; logs in nowhere yet. */
export async function gatherInstance(world: World, request: SourceRequest): Promise<ReachedSource> {
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
): Promise<ReachedSource> {
  const recipe = await world.recipe(engine.name);
  const login = await world.login(request, recipe, instance);
  return { request, engine, recipe, instance, login };
}

/** A URL says what it speaks; a container holds what its evidence shows. */
async function serverAt(world: World, instance: Instance): Promise<{ engine: Engine; instance: Instance }> {
  if (instance.ref.kind !== 'url') return serverOf(instance, await world.engines());
  return { engine: await world.engine(engineOfScheme[instance.ref.scheme]), instance };
}
