/**
 * Makes ready what the tests need: `node test/environment/prepare.ts postgres-15 mariadb-10.11`, or every image when
 * none is named. Where there can be no Docker it says so and exits 0; 1 means that an image failed to build.
 */
import { ensureDocker } from './docker.ts';
import { type ImageName, imageNames, tryImage } from './images.ts';
import { message, say, seconds } from './machine.ts';

const isImageName = (name: string): name is ImageName => (imageNames as string[]).includes(name);

const main = async (names: string[]): Promise<number> => {
  const unknown = names.filter((name) => !isImageName(name));
  if (unknown.length > 0) {
    say(`no image is called ${unknown.join(' or ')}; there are ${imageNames.join(', ')}`);
    return 2;
  }
  const wanted = names.length > 0 ? names.filter(isImageName) : imageNames;
  const docker = await ensureDocker();
  if (!docker.ok) {
    say(`skipped ${wanted.join(', ')}: ${docker.reason}`);
    return 0;
  }
  let failed = 0;
  for (const name of wanted) {
    const started = performance.now();
    try {
      const answer = await tryImage(name);
      say(answer.ok ? `${name} is ${answer.tag} (${seconds(started)})` : `skipped ${name}: ${answer.reason}`);
    } catch (error) {
      say(`${name} failed after ${seconds(started)}: ${message(error)}`);
      failed++;
    }
  }
  return failed > 0 ? 1 : 0;
};

process.exitCode = await main(process.argv.slice(2));
