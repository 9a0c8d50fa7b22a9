import type { BackupId } from '../model/id.ts';
import type { Reason } from '../model/level.ts';
import type { BackupLine } from '../model/manifest.ts';
import type { Instant } from '../model/time.ts';
import { calendar, PERIODS, type Period } from './periods.ts';

/** How many to keep: the newest ones, and the best one of each of the newest hours, days, ... that have any. */
export type Keep = { readonly [Rule in 'last' | Period]?: number | undefined };

/** What retention looks at in a backup; a `BackupLine` has all of it. */
export interface Candidate extends Pick<BackupLine, 'id' | 'at' | 'verification' | 'pinned'> {
  readonly sources: readonly { readonly name: string }[];
  /** Earlier backups without which this one cannot be restored. */
  readonly needs?: readonly BackupId[];
}

export interface Verdict {
  readonly id: BackupId;
  readonly at: Instant;
  readonly keep: boolean;
  /** Every reason to keep it, or the one to let it go. */
  readonly reasons: readonly Reason[];
}

/**
 * Which backups of one job may go. Counts and never looks at ages, so that a clock that jumps or a job that stops costs
 * no backup. Pure: `forget -n` shows exactly what `forget` does. Newest first, which is also the order to remove in.
 *
 * Always kept: the newest verified backup of every source, the newest backup of every source, what is pinned, what a
 * kept one needs, what is dated in the future, and failed ones until a newer one is verified. No rule counts the last two.
 */
export function retain(
  backups: readonly Candidate[],
  keep: Keep,
  { now, timeZone }: { readonly now: Instant; readonly timeZone: string },
): readonly Verdict[] {
  const newestFirst = backups.toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.id < b.id ? 1 : -1));
  const reasons = new Map<BackupId, Reason[]>(newestFirst.map(({ id }) => [id, []]));
  const add = ({ id }: { id: BackupId }, code: string, text: string) => reasons.get(id)?.push({ code, text });

  const past = newestFirst.filter((one) => one.at <= now);
  for (const one of newestFirst.filter(({ pinned }) => pinned)) add(one, 'pinned', 'pinned');
  for (const one of newestFirst.filter(({ at }) => at > now)) {
    add(one, 'future', 'dated in the future: the clock was wrong then, or is now');
  }
  protectNewest(past, add);
  protectFailed(past, add);
  const usable = past.filter((one) => one.verification?.good !== false);
  for (const [index, one] of usable.slice(0, keep.last ?? 0).entries())
    add(one, 'last', `last ${index + 1} of ${keep.last}`);
  keepByPeriod(usable, keep, timeZone, add);
  if (Object.values(keep).every((count) => count === undefined)) {
    for (const one of newestFirst) add(one, 'no-rules', 'the job has no keep rules');
  }
  keepNeeded(newestFirst, reasons, add);

  const superseded = { code: 'superseded', text: `not kept by ${inWords(keep)}` };
  return newestFirst.map(({ id, at }) => {
    const found = reasons.get(id) ?? [];
    return { id, at, keep: found.length > 0, reasons: found.length > 0 ? found : [superseded] };
  });
}

type Add = (one: Candidate, code: string, text: string) => void;

const sourcesOf = (backups: readonly Candidate[]): ReadonlySet<string> =>
  new Set(backups.flatMap(({ sources }) => sources.map(({ name }) => name)));

const hasSource = (name: string) => (one: Candidate) => one.sources.some((source) => source.name === name);

function protectNewest(newestFirst: readonly Candidate[], add: Add): void {
  for (const name of sourcesOf(newestFirst)) {
    const own = newestFirst.filter(hasSource(name));
    const newest = own.find((one) => one.verification?.good !== false);
    const verified = own.find((one) => one.verification?.good === true);
    if (newest) add(newest, 'newest', `newest of ${name}`);
    if (verified) add(verified, 'verified', `newest verified of ${name}`);
  }
}

/** Failed ones stay to be looked at, until each of their sources has a newer one that was verified. */
function protectFailed(newestFirst: readonly Candidate[], add: Add): void {
  for (const [index, one] of newestFirst.entries()) {
    if (one.verification?.good !== false) continue;
    const newer = newestFirst.slice(0, index).filter(({ verification }) => verification?.good === true);
    const unverified = one.sources.find(({ name }) => !newer.some(hasSource(name)));
    if (unverified)
      add(one, 'failed', `failed its verification, and no newer one of ${unverified.name} is verified yet`);
  }
}

/** Of each of the newest periods the newest backup, a verified one before others. */
function keepByPeriod(newestFirst: readonly Candidate[], keep: Keep, timeZone: string, add: Add): void {
  const periodOf = calendar(timeZone);
  for (const period of PERIODS) {
    const byPeriod = Map.groupBy(newestFirst, ({ at }) => periodOf(at, period));
    for (const [index, [name, members]] of [...byPeriod].slice(0, keep[period] ?? 0).entries()) {
      const best = members.find(({ verification }) => verification?.good === true) ?? members[0];
      if (best) add(best, period, `${period} ${index + 1} of ${keep[period]} (${name})`);
    }
  }
}

function keepNeeded(newestFirst: readonly Candidate[], reasons: ReadonlyMap<BackupId, Reason[]>, add: Add): void {
  const byId = new Map(newestFirst.map((one) => [one.id, one]));
  const seen = new Set<BackupId>();
  const follow = (one: Candidate) => {
    if (seen.has(one.id)) return;
    seen.add(one.id);
    for (const id of one.needs ?? []) {
      const needed = byId.get(id);
      if (!needed) continue;
      add(needed, 'needed', `${one.id} needs it`);
      follow(needed);
    }
  };
  for (const one of newestFirst) if ((reasons.get(one.id)?.length ?? 0) > 0) follow(one);
}

const inWords = (keep: Keep): string =>
  ['last' as const, ...PERIODS]
    .filter((rule) => keep[rule] !== undefined)
    .map((rule) => `${rule} ${keep[rule]}`)
    .join(', ');
