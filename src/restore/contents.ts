import type { World } from '../backup/world.ts';
import type { Engine } from '../engines/engine.ts';
import type { Contents, Transfer } from '../engines/transfer.ts';
import { StillpointError } from '../model/errors.ts';
import type { RunId } from '../model/id.ts';
import type { SourceRecord } from '../model/manifest.ts';
import { isWhole, type Part } from '../model/part.ts';
import type { Login } from '../model/secret.ts';
import type { Open } from '../repositories/repository.ts';
import type { Twin } from '../runtimes/runtime.ts';

/** What is wanted of a source, ready to be put into another server. Dispose removes the twin that it may come from. */
export interface OpenContents extends AsyncDisposable {
  readonly transfer: Transfer;
  readonly contents: Contents;
  /** The throwaway server that a physical backup was restored into, to be dumped from. */
  readonly like?: { readonly twin: Twin; readonly login: Login };
}

/** A dump is read as it is stored; a physical backup is brought up in a throwaway twin, and dumped from there. */
export async function openContents(
  world: World,
  engine: Engine,
  source: SourceRecord,
  open: Open,
  part: Part,
  run: RunId,
): Promise<OpenContents> {
  const { transfer } = engine;
  if (!transfer)
    throw new StillpointError(
      'method-impossible',
      `Data of ${engine.title} cannot be put into another server, nor restored in parts, by this version.`,
      { meaning: 'Nothing was touched.', next: 'stillpoint restore ID --as PREFIX   # or: --files DIR' },
    );
  await using stack = new AsyncDisposableStack();
  let like: OpenContents['like'];
  if (source.method !== 'dump') {
    const start = performance.now();
    const runtime = await world.runtime(source.definition.runtime);
    const twin = stack.use(await runtime.twin(source.definition, run));
    like = { twin, login: await engine.restore(source, open, twin) };
    world.emit({
      event: 'recovered',
      source: source.name,
      position: source.position,
      millis: performance.now() - start,
    });
  }
  const all = like ? await transfer.fromTwin(source, like.twin, like.login) : await transfer.fromDump(source, open);
  const contents = isWhole(part) ? all : await transfer.narrow(all, part);
  const kept = stack.move();
  return {
    transfer,
    contents,
    ...(like === undefined ? {} : { like }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
