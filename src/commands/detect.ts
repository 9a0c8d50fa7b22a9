import type { World } from '../backup/world.ts';
import type { Engine } from '../engines/engine.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { Recognition } from '../model/facts.ts';
import { formatRef, nameOfRef } from '../model/ref.ts';
import type { Detected } from '../output/results.ts';
import type { Instance } from '../runtimes/runtime.ts';
import type { StorageOffer } from '../snapshots/snapshotter.ts';
import type { Command } from './command.ts';

type Found = Detected['instances'][number];

/** No snapshotter is there yet to be asked. */
const NO_SNAPSHOTS: StorageOffer = {
  oneInstant: false,
  reasons: [{ code: 'no-snapshotter', text: 'this version takes no storage snapshots' }],
};

export const detect: Command = async (context, _args, options) => {
  const detected = await detectAll(await context.world(), context.signal);
  const ready = detected.instances.find((it) => it.offers.some((offer) => offer.possible));
  return {
    answer: 'detect',
    body: options.all ? detected : { ...detected, skipped: [] },
    next: ready ? `stillpoint backup ${ready.ref} --to DIR` : 'stillpoint backup postgres://HOST:5432 --to DIR',
  };
};

/** Everything that runs here: recognised by evidence, then asked, where it lets us in. */
export async function detectAll(world: World, signal: AbortSignal): Promise<Detected> {
  const began = performance.now();
  const engines = await world.engines();
  const instances: Found[] = [];
  const skipped: Detected['skipped'][number][] = [];
  let looked = 0;
  for await (const instance of (await world.runtime('host')).scan(signal)) {
    looked += 1;
    const ref = formatRef(instance.ref);
    const mine = recognise(engines, instance);
    if (mine) instances.push(await ask(world, mine.engine, mine.recognition, instance));
    else skipped.push({ ref, why: 'no engine recognises it' });
  }
  return { instances, skipped, looked, millis: performance.now() - began };
}

function recognise(
  engines: readonly Engine[],
  instance: Instance,
): { engine: Engine; recognition: Recognition } | undefined {
  for (const engine of engines) {
    const recognition = engine.recognise(instance.evidence);
    if (recognition) return { engine, recognition };
  }
  return undefined;
}

/** What the server says of itself. A server that does not let us in is a finding, not an error. */
async function ask(world: World, engine: Engine, recognition: Recognition, instance: Instance): Promise<Found> {
  const { version, dataDirectory } = recognition;
  const seen = {
    ref: formatRef(instance.ref),
    engine: engine.name,
    title: engine.title,
    ...(version === undefined ? {} : { version }),
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
  };
  try {
    const source = { name: nameOfRef(instance.ref), ref: instance.ref };
    const facts = await engine.inspect(instance, await world.login(source, await world.recipe(engine.name), instance));
    const [volume] = await instance.volumes([facts.paths.data]);
    return {
      ...seen,
      facts,
      ...(volume ? { fileSystem: volume.fileSystem } : {}),
      offers: engine.offers(facts, NO_SNAPSHOTS),
    };
  } catch (error) {
    const { code, message, next } = asStillpointError(error);
    if (!(error instanceof StillpointError)) throw error;
    return { ...seen, offers: [], problem: { code, message, next } };
  }
}
