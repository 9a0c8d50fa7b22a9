import type Docker from 'dockerode';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { statusOf } from './api.ts';
import type { DockerDefinition } from './definition.ts';

/** The very image that a source ran, by its digest: from this daemon, else from the registry that it came from. Its id. */
export async function presentImage(docker: Docker, { image }: DockerDefinition): Promise<string> {
  if (await hasImage(docker, image.id)) return image.id;
  const failed: string[] = [];
  for (const digest of image.digests) {
    try {
      const progress = await docker.createImage({ fromImage: digest });
      await new Promise<void>((resolve, reject) => {
        docker.modem.followProgress(progress, (cause) => (cause ? reject(cause) : resolve()));
      });
      return (await docker.getImage(digest).inspect()).Id;
    } catch (cause) {
      failed.push(messageOf(cause));
    }
  }
  const why = failed.length > 0 ? ` and cannot be pulled: ${failed.join('; ')}` : ', and it came from no registry';
  throw new StillpointError(
    'restore-failed',
    `The image that the server ran, ${image.name} (${image.id}), is not on this machine any more${why}.`,
    { next: `docker pull ${image.name}   # or load the image that has this digest` },
  );
}

async function hasImage(docker: Docker, id: string): Promise<boolean> {
  try {
    await docker.getImage(id).inspect();
    return true;
  } catch (cause) {
    if (statusOf(cause) === 404) return false;
    throw cause;
  }
}
