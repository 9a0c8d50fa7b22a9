import type { World } from '../backup/world.ts';
import type { Manifest } from '../model/manifest.ts';
import type { ByHand } from '../output/results.ts';
import type { Repository } from '../repositories/repository.ts';
import { quote } from './next.ts';

/** The commands that bring a backup back where there is no Stillpoint: standard tools, in the order in which to type them. */
export async function byHand(world: World, repository: Repository, manifest: Manifest): Promise<ByHand> {
  const sources = await Promise.all(
    manifest.sources.map(async (source) => {
      const paths = new Map(
        await Promise.all(
          source.artifacts.map(async ({ name, file }) => [name, await repository.locate(manifest.id, file)] as const),
        ),
      );
      const engine = await world.engine(source.engine);
      const tools = [...paths.values()].some(isEncrypted) ? 'zstd age' : 'zstd';
      return {
        name: source.name,
        engine: source.engine,
        position: source.position.text,
        commands: [
          `apt-get install -y ${tools}   # as root`,
          ...engine.byHand(source, (name) => decode(paths.get(name) ?? '')),
        ],
      };
    }),
  );
  return { id: manifest.id, sources };
}

const isEncrypted = (path: string): boolean => path.endsWith('.age');

const decode = (path: string): string =>
  isEncrypted(path) ? `age -d -i "$STILLPOINT_IDENTITY_FILE" ${quote(path)} | zstd -dc` : `zstd -dc ${quote(path)}`;
