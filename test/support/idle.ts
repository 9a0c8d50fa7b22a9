import Docker from 'dockerode';
import { bounded } from '../../src/runtimes/bounded.ts';
import { image } from '../environment/images.ts';

const LABEL = 'stillpoint-test.idle';

/** Containers that do nothing. Dispose removes them. */
export async function startIdle(count: number): Promise<AsyncDisposable & { readonly docker: Docker }> {
  const docker = new Docker();
  const Image = await image('idle');
  const made: Docker.Container[] = [];
  const dispose = async (): Promise<void> => {
    await Array.fromAsync(bounded(made, 8, (it) => it.remove({ force: true })));
  };
  try {
    const numbers = Array.from({ length: count }, (_, at) => at);
    await Array.fromAsync(
      bounded(numbers, 4, async () => {
        const container = await docker.createContainer({
          Image,
          Labels: { [LABEL]: String(process.pid) },
          HostConfig: { NetworkMode: 'none' },
        });
        made.push(container);
        await container.start();
      }),
    );
  } catch (cause) {
    await dispose();
    throw cause;
  }
  return { docker, [Symbol.asyncDispose]: dispose };
}
