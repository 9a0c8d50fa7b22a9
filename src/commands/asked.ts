import { dirname, resolve } from 'node:path';
import type { JobRequest, SourceRequest } from '../backup/world.ts';
import { nearest } from '../config/explain.ts';
import type { Config } from '../config/load.ts';
import type { JobConfig } from '../config/schema.ts';
import { type Environment, readSecret } from '../config/secrets.ts';
import { StillpointError } from '../model/errors.ts';
import { nameOfRef, parseRef } from '../model/ref.ts';
import type { Login } from '../model/secret.ts';
import type { Context } from './command.ts';
import type { Options } from './options.ts';

/** What `JOB or REF…` came to. */
export interface Asked {
  readonly request: JobRequest;
  /** Where the job was found; absent for references on the command line. */
  readonly configured?: { readonly config: Config; readonly job: JobConfig };
}

/** What holds for references on the command line, which have no configuration. */
const UNCONFIGURED = { coordinate: true, holdLimit: 10_000, onOverrun: 'fail' } as const;

/** Reads `JOB or REF…`: one job of the configuration, or references, which make a job named after them. */
export async function askedFor(context: Context, args: readonly string[], options: Options): Promise<Asked> {
  const [first] = args;
  if (first === undefined) {
    throw new StillpointError('usage', 'Name a job of the configuration, or a reference such as docker:shop-pg.', {
      next: 'stillpoint detect   # lists what can be backed up',
    });
  }
  if (isRef(first)) return { request: fromRefs(args, options) };
  if (args.length > 1) throw new StillpointError('usage', 'Name one job, or references; not several jobs.');
  return fromJob(context, first, options);
}

const isRef = (text: string): boolean => text.includes(':');

/** Sources named by references alone. Two servers with one name are told apart by a number. */
export function sourcesOf(refs: readonly string[], options: Options): readonly SourceRequest[] {
  const sources: SourceRequest[] = [];
  for (const text of refs) {
    const ref = parseRef(text);
    const base = nameOfRef(ref);
    const twins = sources.filter((it) => it.name === base || it.name.startsWith(`${base}-`)).length;
    sources.push({ name: twins === 0 ? base : `${base}-${twins + 1}`, ref, ...methodOf(options.method) });
  }
  return sources;
}

const methodOf = (method: SourceRequest['method'] | 'auto'): Pick<SourceRequest, 'method'> =>
  method === undefined || method === 'auto' ? {} : { method };

const keeping = ({ keepSnapshot }: Options): Pick<JobRequest, 'keepSnapshot'> => (keepSnapshot ? { keepSnapshot } : {});

function fromRefs(refs: readonly string[], options: Options): JobRequest {
  const sources = sourcesOf(refs, options);
  return { job: sources.map((it) => it.name).join('_'), sources, ...UNCONFIGURED, ...keeping(options) };
}

async function fromJob(context: Context, name: string, options: Options): Promise<Asked> {
  const config = await context.config();
  if (!config) {
    throw new StillpointError('config-missing', `There is no configuration in which '${name}' could be a job.`, {
      next: `stillpoint ${'backup'} docker:${name} --to DIR   # or: stillpoint init`,
    });
  }
  const job = config.data.jobs[name];
  if (!job) throw unknownJob(name, config);
  const sources = await sourcesOfJob(context, config, job, options);
  const { coordinate, hold, onOverrun } = job;
  return {
    request: {
      job: name,
      sources,
      coordinate,
      holdLimit: hold,
      onOverrun,
      ...keeping(options),
      ...hooksOf(job, context.environment),
    },
    configured: { config, job },
  };
}

/** Hooks get the environment of this process, but for what is ours: passwords are in it, and options of other verbs. */
function hooksOf(job: JobConfig, environment: Environment): Pick<JobRequest, 'hooks'> {
  if (!job.hooks) return {};
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('STILLPOINT_'));
  const { before = [], held = [], after = [], failed = [] } = job.hooks;
  const hooks = { before, held, after, failed };
  return {
    hooks: { hooks, environment: Object.fromEntries(others.flatMap(([k, v]) => (v === undefined ? [] : [[k, v]]))) },
  };
}

function unknownJob(name: string, config: Config): StillpointError {
  const known = Object.keys(config.data.jobs);
  const near = nearest(name, known);
  const hint = near === undefined ? `; there are: ${known.join(', ') || 'none'}.` : `; did you mean '${near}'?`;
  return new StillpointError('not-found', `There is no job '${name}' in ${config.path}${hint}`, {
    next: 'stillpoint config validate   # lists the jobs',
  });
}

/** The sources of a configured job, with the logins that the configuration gives. */
export async function sourcesOfJob(
  context: Context,
  config: Config,
  job: JobConfig,
  options: Options,
): Promise<readonly SourceRequest[]> {
  return Promise.all(
    Object.entries(job.sources).map(async ([name, source]): Promise<SourceRequest> => {
      const method = options.method ?? ('method' in source ? source.method : undefined);
      const login = 'user' in source || 'password' in source ? await loginOf(context, config, name, source) : undefined;
      return { name, ref: parseRef(source.ref), ...methodOf(method), ...(login ? { login } : {}) };
    }),
  );
}

type SourceConfig = Extract<JobConfig['sources'][string], { user?: unknown }>;

async function loginOf(context: Context, config: Config, name: string, source: SourceConfig): Promise<Partial<Login>> {
  const from = { folder: dirname(config.path), environment: context.environment, what: `The password of ${name}` };
  return {
    ...(source.user === undefined ? {} : { user: source.user }),
    ...(source.password === undefined ? {} : { password: await readSecret(source.password, from) }),
    ...(source.loginDatabase === undefined ? {} : { database: source.loginDatabase }),
  };
}

/** A path of the configuration file, which is relative to it. */
export const besideConfig = (config: Config, path: string): string => resolve(dirname(config.path), path);
