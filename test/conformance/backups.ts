import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { type Runner, thisRunner } from '../../src/hold/runner.ts';
import { newId } from '../../src/model/id.ts';
import type { Artifact, Manifest, Verification } from '../../src/model/manifest.ts';
import type { Repository } from '../../src/repositories/repository.ts';

/** This process, as a repository's lock names it. */
export const US: Runner = await thisRunner();

/** A process of this machine that has ended. */
export const DEAD: Runner = { ...US, pid: spawnSync('true').pid, processStart: '1' };

/** The smallest honest manifest of one PostgreSQL source with these artifacts. */
export function manifestOf(of: {
  id: string;
  job: string;
  artifacts: readonly Artifact[];
  started?: string;
  table?: string;
}): Manifest {
  const { id, job, artifacts, started = new Date().toISOString(), table = 'public.prices' } = of;
  const recipe = { name: 'postgresql', sha256: '0'.repeat(64) };
  const source = {
    name: 'orders',
    ref: 'postgres://127.0.0.1:5432',
    engine: 'postgresql',
    version: '17.6',
    method: 'dump',
    recipe,
    level: 'application',
    reasons: [],
  } as const;
  const facts = {
    engine: 'postgresql',
    version: '17.6',
    major: 17,
    serverId: '7460000000000000001',
    role: 'primary',
    dataBytes: 1,
    paths: { data: '/var/lib/postgresql', log: '', more: [] },
    databases: ['shop'],
    tables: 1,
    settings: {},
    privileges: [],
    blockers: [],
  } as const;
  return {
    format: 1,
    id,
    job,
    tool: 'stillpoint test',
    started,
    ended: started,
    plan: {
      format: 1,
      id,
      job,
      sources: [{ ...source, statements: {}, needs: [], facts }],
      consistency: 'independent',
      holdLimit: 10_000,
      onOverrun: 'fail',
      hold: [],
      cuts: [{ source: 'orders' }],
      steps: [],
    },
    coordination: { claimed: false, skew: 0, reasons: [] },
    sources: [
      {
        ...source,
        serverId: facts.serverId,
        definition: { runtime: 'host' },
        position: { text: '0/3000148', values: {} },
        excluded: [{ code: 'unlogged', text: `${table} is unlogged` }],
        settings: {},
        fingerprint: artifacts[0]?.name ?? '',
        artifacts,
      },
    ],
  };
}

export const verificationOf = (good: boolean, at: string): Verification => ({
  at,
  tool: 'stillpoint test',
  image: 'sha256:0',
  good,
  level: 'application',
  compared: { tables: 1, rows: 1, objects: 1 },
  differences: good ? [] : [{ source: 'orders', kind: 'table', name: 'public.prices', text: 'has 1 row' }],
  millis: 1,
});

/** Stores one whole backup with these artifacts. */
export async function store(
  repository: Repository,
  job: string,
  contents: Readonly<Record<string, Buffer>>,
  more: { id?: string; started?: string } = {},
): Promise<Manifest> {
  const id = more.id ?? newId();
  await using backup = await repository.begin(job, id);
  const artifacts: Artifact[] = [];
  for (const [name, bytes] of Object.entries(contents)) artifacts.push(await backup.put(name, Readable.from([bytes])));
  const manifest = manifestOf({ id, job, artifacts, ...(more.started === undefined ? {} : { started: more.started }) });
  await backup.commit(manifest);
  return manifest;
}
