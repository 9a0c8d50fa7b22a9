import type { Reason } from '../model/level.ts';
import type { JobConfig } from './schema.ts';

/**
 * Settings that are read but do nothing yet. A run that has one says so; where going on without it would do what the user
 * asked not to happen, it is refused instead.
 */
interface Inert {
  readonly setting: string;
  readonly isSet: (job: JobConfig) => boolean;
  readonly text: string;
  readonly refuse?: true;
}

const INERT: readonly Inert[] = [
  {
    setting: 'hooks',
    isSet: (job) => job.hooks !== undefined,
    text: 'this version runs no hooks, and will not back up without what they were to do',
    refuse: true,
  },
  {
    setting: 'limits',
    isSet: (job) => job.limits !== undefined,
    text: 'this version reads and stores as fast as it can: limits have no effect',
  },
  {
    setting: 'verify',
    isSet: (job) => job.verify?.every !== undefined || job.verify?.queries !== undefined,
    text: 'this version verifies after the backup or when told to, and runs no queries of yours: every and queries have no effect',
  },
];

export interface InertSettings {
  readonly warnings: readonly Reason[];
  readonly refusals: readonly Reason[];
}

/** What of a job's configuration has no effect. Pure. */
export function inertSettings(job: JobConfig): InertSettings {
  const set = INERT.filter((it) => it.isSet(job));
  const reason = (it: Inert): Reason => ({ code: `${it.setting}-inert`, text: `${it.setting}: ${it.text}` });
  return {
    warnings: set.filter((it) => !it.refuse).map(reason),
    refusals: set.filter((it) => it.refuse).map(reason),
  };
}
