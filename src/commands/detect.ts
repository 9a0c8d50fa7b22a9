import { askSource, reachServer } from '../backup/gather.ts';
import type { SourceRequest, World } from '../backup/world.ts';
import { outsideContainers } from '../detect/once.ts';
import { type Server, serversIn, whyNone } from '../detect/recognise.ts';
import type { Engine } from '../engines/engine.ts';
import { engineOfScheme } from '../engines/schemes.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { Evidence } from '../model/facts.ts';
import { formatRef, nameOfRef, type Ref, SCHEMES, type Scheme } from '../model/ref.ts';
import type { Volume } from '../model/storage.ts';
import type { Detected, Found } from '../output/detected.ts';
import { bounded } from '../runtimes/bounded.ts';
import type { Instance } from '../runtimes/runtime.ts';
import { sourcesOfJob } from './asked.ts';
import type { Command, Context } from './command.ts';
import type { Options } from './options.ts';

/** Servers are asked side by side, but not so many that a small machine notices. */
const AT_ONCE = 8;

export const detect: Command = async (context, _args, options) => {
  const known = await configuredSources(context, options);
  const detected = await detectAll(await context.world(), context.signal, known);
  const ready = detected.instances.find((it) => it.offers.some((offer) => offer.possible));
  return {
    answer: 'detect',
    body: options.all ? detected : { ...detected, skipped: [] },
    next: ready
      ? `stillpoint backup ${ready.ref} --to /backups`
      : 'stillpoint backup postgres://HOST:5432 --to /backups',
  };
};

/** Everything that runs here: recognised by evidence, then asked, where it lets us in. `known` sources have logins. */
export async function detectAll(
  world: World,
  signal: AbortSignal,
  known: readonly SourceRequest[] = [],
): Promise<Detected> {
  const began = performance.now();
  const engines = await world.engines();
  const unseen: Detected['unseen'][number][] = [];
  const containers = await scanned(world, 'docker', signal, unseen);
  const here = outsideContainers(await scanned(world, 'host', signal, unseen), containers);
  const all = [...containers, ...here].map((instance) => ({ instance, servers: serversIn(instance, engines) }));
  const looking = bounded(
    all.filter((it) => it.servers.length > 0),
    AT_ONCE,
    async ({ instance }) => {
      const servers = await lookCloser(world, instance, engines);
      return Promise.all(servers.map((server) => ask(world, server, known)));
    },
  );
  const instances = (await Array.fromAsync(looking)).flat();
  const without = all.filter((it) => it.servers.length === 0).map((it) => it.instance);
  return {
    instances: instances.sort(byPlaceAndName),
    skipped: without
      .filter(isTold)
      .map((it) => ({ ref: placeOf(it), why: whyNone(it) }))
      .sort((a, b) => a.ref.localeCompare(b.ref)),
    looked: {
      containers: containers.length,
      containersWithout: without.filter((it) => it.runtime === 'docker').length,
      programs: here.length,
    },
    unseen,
    millis: performance.now() - began,
  };
}

/** A scan looks at everything in little time; what is a database is worth a second look. */
async function lookCloser(world: World, instance: Instance, engines: readonly Engine[]): Promise<readonly Server[]> {
  if (instance.ref.kind === 'url') return serversIn(instance, engines);
  try {
    return serversIn(await (await world.runtime(instance.runtime)).find(instance.ref), engines);
  } catch (cause) {
    // Removed since the scan: containers come and go.
    if (asStillpointError(cause).code === 'not-found') return [];
    throw cause;
  }
}

const byPlaceAndName = (a: Found, b: Found): number =>
  Number(a.ref.includes('://')) - Number(b.ref.includes('://')) || a.ref.localeCompare(b.ref);

/** Where there is no Docker there are no containers; one that does not let us in is told. */
async function scanned(
  world: World,
  name: 'docker' | 'host',
  signal: AbortSignal,
  unseen: Detected['unseen'][number][],
): Promise<readonly Instance[]> {
  try {
    return await Array.fromAsync((await world.runtime(name)).scan(signal));
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof StillpointError)) throw cause;
    unseen.push({ where: name, why: cause.message });
    return [];
  }
}

/** What the server says of itself. A server that does not let us in is a finding, not an error. */
async function ask(world: World, server: Server, known: readonly SourceRequest[]): Promise<Found> {
  const { engine, recognition, instance } = server;
  const ref = formatRef(refOf(server));
  const { version, dataDirectory, because } = recognition;
  const seen = {
    ref,
    engine: engine.name,
    title: engine.title,
    because,
    ...(version === undefined ? {} : { version }),
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
  };
  const stopped = whyStopped(instance.evidence, instance.ref);
  try {
    if (stopped) throw stopped;
    const request = known.find((it) => formatRef(it.ref) === ref) ?? {
      name: nameOfRef(refOf(server)),
      ref: refOf(server),
    };
    const { facts, offers } = await askSource(world, await reachServer(world, request, server));
    const { data, log, more } = facts.paths;
    return { ...seen, storage: await storageOf(instance, data === '' ? [] : [data, log, ...more]), facts, offers };
  } catch (cause) {
    if (!(cause instanceof StillpointError)) throw cause;
    const { code, message, next } = asStillpointError(cause);
    const storage = await storageOf(instance, dataDirectory === undefined ? [] : [dataDirectory]);
    return { ...seen, storage, offers: [], problem: { code: stopped ? 'stopped' : code, message, next } };
  }
}

const whyStopped = ({ stopped }: Evidence, ref: Ref): StillpointError | undefined =>
  stopped === undefined
    ? undefined
    : new StillpointError('unreachable', `${formatRef(ref)} does not run (${stopped}).`, {
        next: ref.kind === 'docker' ? `Start it to back it up: docker start ${ref.name}` : 'Start it to back it up.',
      });

/** A program of this machine gets its scheme from whoever recognised it. */
function refOf({ engine, instance: { ref } }: Server): Ref {
  if (ref.kind !== 'url') return ref;
  const schemes = Object.keys(SCHEMES) as Scheme[];
  return { ...ref, scheme: schemes.find((it) => engineOfScheme[it] === engine.name) ?? ref.scheme };
}

async function storageOf(instance: Instance, paths: readonly string[]): Promise<Found['storage']> {
  const volumes = await instance.volumes(paths).catch((cause: unknown): readonly Volume[] => {
    // A path that is not of this machine, or not for us to see, lies we do not know where.
    if (cause instanceof Error && 'code' in cause) return [];
    throw cause;
  });
  return volumes.map(({ freeBytes: _, ...it }) => it);
}

/** A program that listens on sockets alone is part of the machine, more often than not. */
const isTold = ({ runtime, evidence }: Instance): boolean => runtime !== 'host' || evidence.ports.length > 0;

/** How to call what is no database. */
function placeOf({ ref, evidence }: Instance): string {
  const [head] = evidence.processes;
  return ref.kind === 'url' && head ? `process ${head.pid}` : formatRef(ref);
}

/** What the configuration knows of logins. */
async function configuredSources(context: Context, options: Options): Promise<readonly SourceRequest[]> {
  const config = await context.config();
  if (!config) return [];
  const jobs = Object.values(config.data.jobs);
  return (await Promise.all(jobs.map((it) => sourcesOfJob(context, config, it, options)))).flat();
}
