import { join } from 'node:path';
import { StillpointError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { Volume } from '../../model/storage.ts';
import { startInterval } from '../../model/time.ts';
import { mountsOf } from '../../runtimes/mounts.ts';
import { treeOf } from '../../runtimes/tree.ts';
import { runProgram } from '../program.ts';
import { checkSame } from '../same.ts';
import type { Snapshotter } from '../snapshotter.ts';
import { unfit, wholeSubvolume } from './obstacles.ts';
import { found, keep, keptPlace, make, placeFor, remove } from './place.ts';
import { belowTop, subvolumeOf } from './subvolume.ts';

const NAME = 'btrfs';
/** Writing back what the file system holds in memory. */
const SETTLE = 600_000;

/** Read-only snapshots of one btrfs subvolume, by the `btrfs` program: it is 3 ms slower than its ioctl (ADR 4). */
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
    async settle(volumes) {
      // What was found good when the run was planned may have changed since; in the window nobody looks again.
      const whole = await wholeSubvolume(await mountsOf('self'), volumes);
      if ('reasons' in whole)
        throw new StillpointError('source-changed', `${whole.reasons.map((it) => it.text).join('; ')}.`);
      await runProgram(['btrfs', 'filesystem', 'sync', whole.subvolume.mount], SETTLE);
    },
    async cut(volumes, run) {
      const mounts = await mountsOf('self');
      const subvolume = await subvolumeOf(mounts, volumes[0]?.hostPath ?? '');
      if (!subvolume) throw new StillpointError('source-changed', 'The subvolume that was to be cut is gone.');
      taken++;
      const path = placeFor(subvolume.mount, run, taken);
      const since = startInterval();
      await make(subvolume.top, path);
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
    },
    async *leftovers(): AsyncGenerator<Leftover> {
      for await (const { run, path } of found())
        yield { run, kind: 'snapshot', what: `btrfs snapshot ${path}`, holds: false, remove: () => remove(path) };
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
