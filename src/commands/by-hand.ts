import type { Manifest, SourceRecord } from '../model/manifest.ts';
import type { ByHand } from '../output/results.ts';
import type { Repository } from '../repositories/repository.ts';
import { quote } from './place.ts';

/** The commands that bring a backup back where there is no Stillpoint: standard tools, one line an artifact. */
export async function byHand(repository: Repository, manifest: Manifest): Promise<ByHand> {
  const sources = await Promise.all(
    manifest.sources.map(async (source) => ({
      name: source.name,
      engine: source.engine,
      position: source.position.text,
      commands: await unpack(repository, manifest, source),
    })),
  );
  return { id: manifest.id, sources };
}

const unpack = (repository: Repository, manifest: Manifest, source: SourceRecord): Promise<readonly string[]> =>
  Promise.all(
    source.artifacts.map(async ({ name, file }) => {
      const plain = `zstd -dc ${quote(await repository.locate(manifest.id, file))}`;
      return name.endsWith('.tar')
        ? `${plain} | tar -xpf - -C ${quote(source.name)}`
        : `${plain} > ${quote(`${source.name}/${name}`)}`;
    }),
  );
