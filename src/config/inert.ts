import type { Reason } from '../model/level.ts';
import type { JobConfig } from './schema.ts';

/** Settings that are read but do nothing yet: a run that has one says so. */
interface Inert {
  readonly setting: string;
  readonly isSet: (job: JobConfig) => boolean;
  readonly text: string;
}

const INERT: readonly Inert[] = [
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

/** What of a job's configuration has no effect. Pure. */
export const inertSettings = (job: JobConfig): readonly Reason[] =>
  INERT.filter((it) => it.isSet(job)).map((it) => ({ code: `${it.setting}-inert`, text: `${it.setting}: ${it.text}` }));
