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
  { setting: 'keep', isSet: (job) => job.keep !== undefined, text: 'this version removes no backups: all are kept' },
  {
    setting: 'limits',
    isSet: (job) => job.limits !== undefined,
    text: 'this version reads and stores as fast as it can: limits have no effect',
  },
  {
    setting: 'verify',
    isSet: (job) => job.verify !== undefined,
    text: 'this version verifies only when told to: stillpoint verify ID',
  },
  {
    setting: 'copies',
    isSet: (job) => (job.copies ?? []).length > 0,
    text: 'this version copies to no other repository',
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
