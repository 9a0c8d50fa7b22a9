import type { CutFiles } from '../engines/capture.ts';
import { StillpointError } from '../model/errors.ts';
import type { Cut, Plan } from '../model/plan.ts';
import type { Volume } from '../model/storage.ts';
import type { Interval } from '../model/time.ts';
import type { ReadyCut, Snapshotter, StorageCut } from '../snapshots/snapshotter.ts';
import type { World } from './world.ts';

/** The storage cuts of a plan. Dispose removes the snapshots, unless kept: long after the window, for deleting one delays others. */
export interface Storage extends AsyncDisposable {
  /** How many snapshots one call of `cut` takes. */
  readonly cuts: number;
  /** Before the window, may take minutes: makes the cut short. */
  settle(): Promise<void>;
  /** Right before the hold: all of a cut that can be done before it. Each time anew. */
  ready(): Promise<void>;
  /** After `ready`: cuts all at once; when the cut lay, by source. After a void cut it may be called again. */
  cut(): Promise<Readonly<Record<string, Interval>>>;
  /** The files of a source as they were at the last cut; undefined when its method needs none. */
  files(source: string): CutFiles | undefined;
  /** What the snapshots of the last cut are called once they are kept. */
  keptAs(): readonly string[];
  /** Keeps the snapshots of the last cut: dispose leaves them. */
  keep(): Promise<void>;
}

type VolumesCut = Extract<Cut, { readonly snapshotter: string }>;

interface Ready {
  readonly of: VolumesCut;
  readonly cut: ReadyCut;
}

interface Taken {
  readonly of: VolumesCut;
  readonly cut: StorageCut;
}

export async function openStorage(world: World, plan: Plan): Promise<Storage> {
  const wanted = plan.cuts.filter((it): it is VolumesCut => 'snapshotter' in it);
  const known = wanted.length === 0 ? [] : await world.snapshotters();
  const parts = wanted.map((of) => ({ of, snapshotter: named(known, of.snapshotter) }));
  const stack = new AsyncDisposableStack();
  let ready: readonly Ready[] = [];
  let last: readonly Taken[] = [];
  return {
    cuts: parts.length,
    async settle() {
      await Promise.all(parts.map(({ of, snapshotter }) => snapshotter.settle(volumesOf(of))));
    },
    async ready() {
      ready = await allOf(
        parts.map(async ({ of, snapshotter }) => ({
          of,
          cut: stack.use(await snapshotter.ready(volumesOf(of), plan.id)),
        })),
      );
    },
    async cut() {
      if (ready.length < parts.length) throw new StillpointError('internal', 'Storage was cut before it was ready.');
      last = await allOf(ready.map(async ({ of, cut }) => ({ of, cut: stack.use(await cut.cut()) })));
      return Object.fromEntries(
        last.flatMap(({ of, cut }) => Object.keys(of.volumes).map((source) => [source, cut.at])),
      );
    },
    files(source) {
      const taken = last.find(({ of }) => source in of.volumes);
      if (!taken) return undefined;
      return async (path) => {
        const volume = taken.of.volumes[source]?.find((it) => it.path === path);
        if (!volume) throw new StillpointError('internal', `The storage cut of ${source} does not hold ${path}.`);
        return taken.cut.open(volume);
      };
    },
    keptAs: () => last.flatMap(({ cut }) => cut.keptAs),
    async keep() {
      await Promise.all(last.map(({ cut }) => cut.keep()));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** As Promise.all, but when all have ended: what comes after the first failure is still to be disposed of. */
async function allOf<T>(working: readonly Promise<T>[]): Promise<readonly T[]> {
  return (await Promise.allSettled(working)).map((it) => {
    if (it.status === 'rejected') throw it.reason;
    return it.value;
  });
}

const volumesOf = ({ volumes }: VolumesCut): readonly Volume[] => Object.values(volumes).flat();

function named(known: readonly Snapshotter[], name: string): Snapshotter {
  const found = known.find((it) => it.name === name);
  if (!found) throw new StillpointError('internal', `The plan names the snapshotter ${name}, which is not there.`);
  return found;
}
