import Docker from 'dockerode';
import { messageOf, StillpointError } from '../../model/errors.ts';

export type Inspected = Docker.ContainerInspectInfo;

/** The daemon that DOCKER_HOST names, else the one on this machine's socket. */
export const connectDocker = (): Docker => new Docker();

/** The machine of a daemon that is reached by network; undefined for one behind a socket of this machine. */
export const machineOf = (docker: Docker): string | undefined => (docker.modem as { host?: string }).host;

export const statusOf = (thrown: unknown): number | undefined =>
  thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : undefined;

/** What Docker's API said, as an error for a person; ours pass through. */
export function dockerError(thrown: unknown, doing: string): StillpointError {
  if (thrown instanceof StillpointError) return thrown;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  const why =
    code === 'ENOENT' || code === 'ECONNREFUSED'
      ? 'no Docker daemon answers'
      : code === 'EACCES'
        ? "this user may not use Docker's socket"
        : messageOf(thrown);
  return new StillpointError('unreachable', `${doing}: ${why}.`, {
    next: 'docker version   # does the daemon answer this user? DOCKER_HOST names another one',
    cause: thrown,
  });
}
