import { describe, expect, test } from 'vitest';
import { cutsOf } from '../../../src/backup/cuts.ts';
import type { Method } from '../../../src/model/facts.ts';
import type { Cut } from '../../../src/model/plan.ts';
import type { Volume } from '../../../src/model/storage.ts';

const volume = (path: string): Volume => ({
  path,
  hostPath: path,
  fileSystem: 'btrfs',
  id: 'loop0 51',
  kind: 'bind',
  freeBytes: 1,
});
/** A source by snapshot, and its storage. */
const source = (name: string, unit: string, method: Method = 'snapshot', snapshotter = 'btrfs') => ({
  plan: { name, method },
  storage: { volumes: [volume(`/${name}`)], offer: { snapshotter, unit, oneInstant: true, reasons: [] } },
});
const cuts = (...all: readonly ReturnType<typeof source>[]): readonly Cut[] =>
  cutsOf(
    all.map((it) => it.plan),
    all.map((it) => it.storage),
  );

describe('DOCK-7: the cuts of a plan', () => {
  test('sources in one subvolume are one cut, in another one another', () => {
    expect(cuts(source('pg', 'a'), source('maria', 'a'), source('other', 'b'))).toEqual([
      { snapshotter: 'btrfs', volumes: { pg: [volume('/pg')], maria: [volume('/maria')] } },
      { snapshotter: 'btrfs', volumes: { other: [volume('/other')] } },
    ]);
  });

  test('another method cuts by its own session, even where storage could be cut', () => {
    expect(cuts(source('pg', 'a'), source('maria', 'a', 'dump'))).toEqual([
      { snapshotter: 'btrfs', volumes: { pg: [volume('/pg')] } },
      { source: 'maria' },
    ]);
  });

  test('the same unit of two snapshotters is two', () => {
    expect(cuts(source('pg', 'a'), source('other', 'a', 'snapshot', 'command:tank'))).toHaveLength(2);
  });
});
