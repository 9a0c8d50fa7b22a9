import { messageOf } from '../model/errors.ts';
import { formatRef, parseRef } from '../model/ref.ts';
import { nearest } from './explain.ts';
import type { ConfigData, JobConfig } from './schema.ts';

/** A mistake that no single key shows, with the path of the key to look at. */
interface Fault {
  readonly path: readonly string[];
  readonly text: string;
}

/** Rules between keys. Pure; empty when all hold. */
export function crossCheck(config: ConfigData): readonly Fault[] {
  return Object.entries(config.jobs).flatMap(([name, job]) => [
    ...repositoriesExist(config, name, job),
    ...sourcesAreReferences(name, job),
    ...queriesNameSources(name, job),
  ]);
}

function repositoriesExist(config: ConfigData, name: string, job: JobConfig): readonly Fault[] {
  const known = Object.keys(config.repositories);
  const faults: Fault[] = [];
  const named = [
    ...(job.repository === undefined ? [] : [{ key: 'repository', repository: job.repository }]),
    ...(job.copies ?? []).map((repository) => ({ key: 'copies', repository })),
  ];
  for (const { key, repository } of named) {
    if (known.includes(repository)) continue;
    faults.push({
      path: ['jobs', name, key],
      text: `there is no repository '${repository}'${suggest(repository, known)}`,
    });
  }
  if (job.repository === undefined && known.length > 1) {
    const text = `jobs.${name}: name its repository, one of ${known.join(', ')}`;
    faults.push({ path: ['jobs', name], text });
  }
  return faults;
}

function sourcesAreReferences(name: string, job: JobConfig): readonly Fault[] {
  const faults: Fault[] = [];
  const seen = new Map<string, string>();
  if (Object.keys(job.sources).length === 0)
    faults.push({ path: ['jobs', name, 'sources'], text: `jobs.${name}.sources is empty: nothing would be backed up` });
  for (const [source, { ref }] of Object.entries(job.sources)) {
    const path = ['jobs', name, 'sources', source];
    try {
      const one = formatRef(parseRef(ref));
      const twin = seen.get(one);
      if (twin !== undefined) faults.push({ path, text: `'${source}' and '${twin}' are the same server, ${one}` });
      seen.set(one, source);
    } catch (error) {
      faults.push({ path, text: messageOf(error).replace(/\.$/, '') });
    }
  }
  return faults;
}

function queriesNameSources(name: string, job: JobConfig): readonly Fault[] {
  const known = Object.keys(job.sources);
  return (job.verify?.queries ?? [])
    .filter((it) => !known.includes(it.source))
    .map(({ source }) => ({
      path: ['jobs', name, 'verify', 'queries'],
      text: `verify.queries names the source '${source}', which job ${name} does not have${suggest(source, known)}`,
    }));
}

function suggest(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  if (near !== undefined) return `; did you mean '${near}'?`;
  return known.length === 0 ? '' : `; there are: ${known.join(', ')}`;
}
