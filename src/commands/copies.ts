import type { Config } from '../config/load.ts';
import { type Judgement, judge321, type Place } from '../repositories/three-two-one.ts';
import type { Context } from './command.ts';
import { configuredPlaces } from './place.ts';

/** The 3-2-1 rule for one job, from what the configuration says and what the folders lie on. */
export async function judgeJob(context: Context, config: Config, job: string): Promise<Judgement> {
  const { repository, copies = [] } = config.data.jobs[job] ?? {};
  const all = configuredPlaces(config);
  const first = repository ?? (all.length === 1 ? all[0]?.configured : undefined);
  const names = [...(first === undefined ? [] : [first]), ...copies];
  const places: Place[] = [];
  for (const { configured, path } of all.filter((it) => names.includes(it.configured))) {
    const { medium, offsite = false } = config.data.repositories[configured] ?? {};
    places.push({ name: configured, medium: medium ?? (await context.mediumOf(path)), offsite });
  }
  return judge321(places);
}
