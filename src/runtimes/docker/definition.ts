import type Docker from 'dockerode';
import { StillpointError } from '../../model/errors.ts';
import type { Definition } from '../../model/manifest.ts';
import { type Inspected, statusOf } from './api.ts';
import { redactor, safeEnvironment } from './secrets.ts';

/** What a backup stores of its container: enough to make it again after `docker rm`, and no secret. */
export interface DockerDefinition extends Definition {
  readonly runtime: 'docker';
  readonly name: string;
  readonly image: {
    /** As the user wrote it: `postgres:15`. */
    readonly name: string;
    /** The configuration's digest, by which this daemon knows the image. */
    readonly id: string;
    /** By which a registry knows it: `postgres@sha256:…`; none for an image that was built here. */
    readonly digests: readonly string[];
  };
  readonly dataDirectory: string;
  /** Who owns the data, and so who runs the server. */
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly command: readonly string[];
  readonly entrypoint: readonly string[];
  readonly workingDirectory: string;
  /** Only what the image does not set by itself; `(secret)` stands for what is not stored. */
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly {
    readonly type: string;
    readonly source: string;
    readonly target: string;
    readonly driver?: string;
    readonly readOnly: boolean;
  }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly networks: readonly { readonly name: string; readonly aliases: readonly string[] }[];
  readonly healthcheck?: unknown;
  readonly stopSignal?: string;
  readonly hostname?: string;
  /** Docker's own names: ports, restart policy, limits, capabilities. */
  readonly hostConfig: Readonly<Record<string, unknown>>;
  /** Folder of the server's programs, added by the engine. */
  readonly programs?: string;
}

/** Of Docker's HostConfig, what decides how a container runs; what a daemon fills in by itself is left out. */
const HOST_CONFIG = [
  'CapAdd',
  'CapDrop',
  'CpuPeriod',
  'CpuQuota',
  'CpuShares',
  'CpusetCpus',
  'Dns',
  'ExtraHosts',
  'GroupAdd',
  'Init',
  'IpcMode',
  'LogConfig',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'NanoCpus',
  'NetworkMode',
  'OomScoreAdj',
  'PidsLimit',
  'PortBindings',
  'Privileged',
  'ReadonlyRootfs',
  'RestartPolicy',
  'SecurityOpt',
  'ShmSize',
  'Sysctls',
  'Tmpfs',
  'Ulimits',
  'UsernsMode',
] as const;

export async function definitionOf(
  docker: Docker,
  container: Inspected,
  dataDirectory: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<DockerDefinition> {
  const { Config, HostConfig, NetworkSettings } = container;
  const image = await docker
    .getImage(container.Image)
    .inspect()
    .catch((cause: unknown) => {
      if (statusOf(cause) === 404) return undefined;
      throw cause;
    });
  const env = Config.Env ?? [];
  const inherited = new Set(image?.Config.Env ?? []);
  const redact = redactor(env, [
    Config.Image,
    ...inherited,
    ...[image?.Config.Cmd ?? [], image?.Config.Entrypoint ?? []].flat(),
  ]);
  const { StopSignal: stopSignal } = Config as { StopSignal?: string };
  const imageLabels = image?.Config.Labels ?? {};
  return {
    runtime: 'docker',
    name: container.Name.replace(/^\//, ''),
    image: { name: Config.Image, id: container.Image, digests: image?.RepoDigests ?? [] },
    dataDirectory,
    ...owner,
    user: Config.User,
    command: redact(Config.Cmd ?? []),
    entrypoint: redact([Config.Entrypoint ?? []].flat()),
    workingDirectory: Config.WorkingDir,
    environment: safeEnvironment(env.filter((it) => !inherited.has(it))),
    mounts: container.Mounts.map((it) => ({
      type: it.Type,
      source: it.Name ?? it.Source,
      target: it.Destination,
      ...(it.Driver === undefined || it.Driver === '' ? {} : { driver: it.Driver }),
      readOnly: !it.RW,
    })),
    labels: redact(
      Object.fromEntries(Object.entries(Config.Labels ?? {}).filter(([key, value]) => imageLabels[key] !== value)),
    ),
    networks: Object.entries(NetworkSettings.Networks ?? {}).map(([name, it]) => ({
      name,
      // Docker adds the container's own id, which the next one will not have.
      aliases: ((it as { Aliases?: string[] | null }).Aliases ?? []).filter((alias) => !container.Id.startsWith(alias)),
    })),
    ...(Config.Healthcheck === undefined ? {} : { healthcheck: redact(Config.Healthcheck) }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(container.Id.startsWith(Config.Hostname) ? {} : { hostname: Config.Hostname }),
    hostConfig: redact(
      Object.fromEntries(
        HOST_CONFIG.map((key) => [key, HostConfig[key as keyof typeof HostConfig]] as const).filter(
          ([, value]) => !isNothing(value),
        ),
      ),
    ),
  };
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  value === 0 ||
  value === false ||
  (typeof value === 'object' && Object.keys(value).length === 0);

/** Reads a definition back from a manifest. */
export function asDockerDefinition(definition: Definition): DockerDefinition {
  const { runtime, image, uid } = definition;
  if (runtime === 'docker' && typeof image === 'object' && image !== null && 'id' in image && typeof uid === 'number')
    return definition as unknown as DockerDefinition;
  throw new StillpointError('restore-failed', 'The backup does not say which image its server ran.');
}
