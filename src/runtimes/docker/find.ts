import type Docker from 'dockerode';
import { StillpointError } from '../../model/errors.ts';
import { formatRef, type Ref } from '../../model/ref.ts';
import { dockerError, type Inspected, statusOf } from './api.ts';

/** The one container that a reference means. Throws `not-found` | `ambiguous` with the candidates. */
export async function findContainer(docker: Docker, ref: Ref): Promise<Inspected> {
  try {
    return await docker.getContainer(await idOf(docker, ref)).inspect();
  } catch (cause) {
    if (statusOf(cause) !== 404) throw dockerError(cause, `${formatRef(ref)} cannot be looked up`);
    throw new StillpointError('not-found', `There is no container ${formatRef(ref)}.`, {
      next: 'docker ps --all   # or: stillpoint detect',
    });
  }
}

async function idOf(docker: Docker, ref: Ref): Promise<string> {
  if (ref.kind === 'docker') return ref.name;
  const label = labelsOf(ref);
  const all = await docker.listContainers({ all: true, filters: { label } });
  // A restarted service leaves its ended containers behind: those that run are meant.
  const running = all.filter((it) => it.State === 'running');
  const candidates = running.length > 0 ? running : all;
  const [first, second] = candidates;
  if (!first)
    throw new StillpointError('not-found', `No container has the label ${label.join(' and ')}.`, {
      next: `docker ps --all --filter label=${label[0]}`,
    });
  if (second) {
    const names = candidates.map((it) => `docker:${nameOf(it.Names)}`);
    throw new StillpointError('ambiguous', `${formatRef(ref)} means several containers: ${names.join(', ')}.`, {
      next: 'Name one of them.',
    });
  }
  return first.Id;
}

function labelsOf(ref: Ref): string[] {
  if (ref.kind === 'docker-label') return [`${ref.label}=${ref.value}`];
  if (ref.kind === 'compose')
    return [`com.docker.compose.project=${ref.project}`, `com.docker.compose.service=${ref.service}`];
  throw new StillpointError('not-found', `${formatRef(ref)} is not in Docker.`);
}

/** A container may carry link aliases such as `/other/name`: its own name has one slash only. */
export const nameOf = (names: readonly string[]): string =>
  (names.find((it) => it.lastIndexOf('/') === 0) ?? names[0] ?? '').replace(/^\//, '');
