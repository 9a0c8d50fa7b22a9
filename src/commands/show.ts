import { StillpointError } from '../model/errors.ts';
import type { Manifest } from '../model/manifest.ts';
import { byHand } from './by-hand.ts';
import type { Command } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';

export const show: Command = async (context, [id = 'latest'], options) => {
  const repository = await openToRead(context, options, jobOf(id));
  const manifest = only(await repository.manifest(id), options.source);
  const again = alike(context.environment, options);
  if (options.commands)
    return { answer: 'show commands', body: await byHand(await context.world(), repository, manifest) };
  const verifications = await repository.verifications(manifest.id);
  return {
    answer: 'show',
    body: { repository: repository.name, manifest, verifications },
    next: verifications.some((it) => it.good)
      ? `stillpoint restore ${manifest.id} --files DIR${again}`
      : `stillpoint verify ${manifest.id}${again}`,
  };
};

/** The job in `JOB@latest`, which says in which repository to look. */
export const jobOf = (id: string): string | undefined => (id.includes('@') ? id.slice(0, id.indexOf('@')) : undefined);

function only(manifest: Manifest, source: string | undefined): Manifest {
  if (source === undefined) return manifest;
  const sources = manifest.sources.filter((it) => it.name === source);
  if (sources.length > 0) return { ...manifest, sources };
  const names = manifest.sources.map((it) => it.name).join(', ');
  throw new StillpointError('not-found', `Backup ${manifest.id} has no source '${source}'; it has: ${names}.`, {
    next: `stillpoint show ${manifest.id}`,
  });
}
