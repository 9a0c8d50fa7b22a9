import { chmod, mkdir } from 'node:fs/promises';
import Docker from 'dockerode';
import { GenericContainer } from 'testcontainers';
import { describe } from 'vitest';
import { Inside } from '../../src/runtimes/docker/inside.ts';
import type { Files } from '../../src/runtimes/files.ts';
import { loadRuntime } from '../../src/runtimes/registry.ts';
import { treeOf } from '../../src/runtimes/tree.ts';
import { type ImageName, image, tryImage } from '../environment/images.ts';
import { makeFolder } from '../support/cli.ts';
import { type FilesSubject, filesConformance } from './files.ts';

const notRoot = process.getuid?.() === 0 ? undefined : 'not root';
const available = await tryImage('postgres-15');
const noDocker = notRoot ?? (available.ok ? undefined : available.reason);
const unless = (reason: string | undefined): string => (reason === undefined ? '' : ` (skipped: ${reason})`);

describe.skipIf(notRoot)(`DOCK-6: files${unless(notRoot)}`, () => {
  filesConformance(
    'by their path',
    async () => {
      const folder = await makeFolder();
      return {
        folder: folder.path,
        open: async () => treeOf(folder.path),
        [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
      };
    },
    { readsAsOwner: false },
  );
});

/** The folder, bound into a container that sleeps; `look` says who reads it there. */
async function inContainer(
  name: ImageName,
  open: (docker: Docker, id: string, container: string) => Promise<Files>,
): Promise<FilesSubject> {
  const folder = await makeFolder();
  const path = folder.in('bound');
  await mkdir(path);
  await chmod(path, 0o700);
  const started = await new GenericContainer(await image(name))
    .withEntrypoint(['sleep', 'infinity'])
    .withUser('root')
    .withBindMounts([{ source: path, target: '/bound' }])
    .start();
  return {
    folder: path,
    open: async () => open(new Docker(), started.getId(), started.getName().replace(/^\//, '')),
    async [Symbol.asyncDispose]() {
      await started.stop({ timeout: 0 });
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(noDocker)(`DOCK-6: files of a container${unless(noDocker)}`, () => {
  filesConformance(
    'by the path of what is mounted',
    () =>
      inContainer('postgres-15', async (_docker, _id, name) => {
        const runtime = await loadRuntime('docker', { scratch: '/var/tmp' });
        return (await runtime.find({ kind: 'docker', name })).files('/bound');
      }),
    { readsAsOwner: false },
  );
  const inside = (docker: Docker, id: string, name: string): Promise<Files> =>
    new Inside({ docker, id, name, shell: true, init: false }).files('/bound');
  filesConformance("from inside, by GNU's tar", () => inContainer('postgres-15', inside), { readsAsOwner: true });
  filesConformance("from inside, by busybox's tar", () => inContainer('busybox-postgres-15', inside), {
    readsAsOwner: true,
  });
});
