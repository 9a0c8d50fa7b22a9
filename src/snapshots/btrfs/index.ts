import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { Volume } from '../../model/storage.ts';
import { startInterval } from '../../model/time.ts';
import { type Mount, mountsOf } from '../../runtimes/mounts.ts';
import { treeOf } from '../../runtimes/tree.ts';
import { runProgram } from '../program.ts';
import { checkSame } from '../same.ts';
import type { Snapshotter, StorageCut } from '../snapshotter.ts';
import { unfit, wholeSubvolume } from './obstacles.ts';
import { found, keep, keptPlace, type Maker, makerOf, placeFor, remove } from './place.ts';
import { belowTop, type Subvolume } from './subvolume.ts';

const NAME = 'btrfs';
/** Writing back what the file system holds in memory. */
const SETTLE = 600_000;

/** Read-only snapshots of one btrfs subvolume, by the `btrfs` program, which waits for its cut (ADR 4). */
export function btrfsSnapshotter(): Snapshotter {
  let taken = 0;
  return {
    name: NAME,
    async probe(volumes) {
      const reasons = unfitting(volumes);
      if (reasons.length > 0) return { oneInstant: false, reasons };
      const whole = await wholeSubvolume(await mountsOf('self'), volumes);
      if ('reasons' in whole) return { oneInstant: false, reasons: whole.reasons };
      return { snapshotter: NAME, unit: `subvolume ${whole.subvolume.device}`, oneInstant: true, reasons: [] };
    },
    settle: async (volumes) => sync(await whole(volumes)),
    async ready(volumes, run) {
      const subject = await whole(volumes);
      const { top, mount } = subject.subvolume;
      await using stack = new AsyncDisposableStack();
      const maker = stack.use(await makerOf(top, mount));
      // At the very end: what is written afterwards is written back by the cut itself.
      await sync(subject);
      const ready = stack.move();
      return {
        async cut() {
          taken++;
          return cut(subject, maker, placeFor(mount, run, taken));
        },
        [Symbol.asyncDispose]: () => ready.disposeAsync(),
      };
    },
    async *leftovers(): AsyncGenerator<Leftover> {
      for await (const { run, path } of found())
        yield { run, kind: 'snapshot', what: `btrfs snapshot ${path}`, holds: false, remove: () => remove(path) };
    },
  };
}

interface Subject {
  readonly mounts: readonly Mount[];
  readonly subvolume: Subvolume;
}

/** What was found good when the run was planned may have changed since; in the window nobody looks again. */
async function whole(volumes: readonly Volume[]): Promise<Subject> {
  const mounts = await mountsOf('self');
  const found = await wholeSubvolume(mounts, volumes);
  if ('reasons' in found)
    throw new StillpointError('source-changed', `${found.reasons.map((it) => it.text).join('; ')}.`);
  return { mounts, subvolume: found.subvolume };
}

async function sync({ subvolume }: Subject): Promise<void> {
  await runProgram(['btrfs', 'filesystem', 'sync', subvolume.mount], SETTLE);
}

async function cut({ mounts, subvolume }: Subject, maker: Maker, path: string): Promise<StorageCut> {
  const since = startInterval();
  await maker.make(path);
  const at = since();
  let kept = false;
  return {
    at,
    keptAs: [keptPlace(path)],
    async open(volume) {
      const below = belowTop(mounts, subvolume, volume.hostPath ?? '');
      return treeOf(await checkSame(below === undefined ? undefined : join(path, below), volume));
    },
    async keep() {
      await keep(path);
      kept = true;
    },
    async [Symbol.asyncDispose]() {
      if (!kept) await remove(path);
    },
  };
}

/** Each reason once; of a further volume with its path, for it is the first one's place that people know. */
function unfitting(volumes: readonly Volume[]) {
  const [first, ...others] = volumes;
  const reason = first && unfit(first);
  if (reason) return [reason];
  return others.flatMap((it) => {
    const also = unfit(it);
    return also ? [{ code: also.code, text: `${it.path} is on another volume: ${also.text}` }] : [];
  });
}
