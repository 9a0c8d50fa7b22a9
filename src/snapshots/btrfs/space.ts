import { messageOf } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import { runProgram } from '../program.ts';

const LOOK = 10_000;
/** A snapshot pins every block that the database overwrites from then on: below this, production comes first. */
const LEAST_FREE = 256 << 20;
/** Overwriting needs new metadata, too; where nothing is left to allocate from, a disk with free space is full. */
const LEAST_METADATA = 48 << 20;

/** Why this file system has no room for a snapshot; empty when it has. */
export async function lowSpace(mount: string): Promise<readonly Reason[]> {
  let usage: string;
  try {
    usage = await runProgram(['btrfs', 'filesystem', 'usage', '--raw', mount], LOOK);
  } catch (cause) {
    return [{ code: 'privilege', text: `the free space cannot be seen: ${messageOf(cause).replace(/\.$/, '')}` }];
  }
  const { free, unallocated, metadata } = readUsage(usage);
  const low = [
    ...(free < LEAST_FREE ? [`${megabytes(free)} are free`] : []),
    ...(unallocated + metadata < LEAST_METADATA
      ? [`${megabytes(unallocated)} are unallocated and ${megabytes(metadata)} free in its metadata`]
      : []),
  ];
  if (low.length === 0) return [];
  const text = `a snapshot pins space, and of the btrfs on ${mount} only ${low.join('; only ')}`;
  return [{ code: 'space-low', text }];
}

/** Bytes, as `btrfs filesystem usage --raw` tells them. Pure. */
export function readUsage(text: string): {
  readonly free: number;
  readonly unallocated: number;
  readonly metadata: number;
} {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  return {
    free: number(/^\s*Free \(estimated\):\s+(\d+)/m),
    unallocated: number(/^\s*Device unallocated:\s+(\d+)/m),
    metadata:
      number(/^Metadata,\w+: Size:(\d+)/m) -
      number(/^Metadata,\w+: Size:\d+, Used:(\d+)/m) -
      number(/^\s*Global reserve:\s+(\d+)/m),
  };
}

const megabytes = (bytes: number): string => `${Math.floor(bytes / 1e6)} MB`;
