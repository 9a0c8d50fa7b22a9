import { describe } from 'vitest';
import { loadRuntime } from '../../src/runtimes/registry.ts';
import { startEmbedded } from '../embedded/postgres.ts';
import { type ImageName, images, tryImage } from '../environment/images.ts';
import { makeFolder } from '../support/cli.ts';
import { startServer } from '../support/containers.ts';
import { type RuntimeSubject, runtimeConformance } from './runtime.ts';

const notRoot = process.getuid?.() === 0 ? undefined : 'not root';
const available = await tryImage('postgres-15');
const noDocker = notRoot ?? (available.ok ? undefined : available.reason);

async function host(): Promise<RuntimeSubject> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const server = stack.use(await startEmbedded());
  return {
    runtime: await loadRuntime('host', { scratch: folder.in('scratch') }),
    ref: server.url,
    nothing: 'postgres://127.0.0.1:1',
    dataDirectory: server.dataDirectory,
    started: async () => JSON.stringify(await server.query('SELECT pg_postmaster_start_time() AS at')),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function docker(image: ImageName): Promise<RuntimeSubject> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const server = stack.use(await startServer({ image }));
  return {
    runtime: await loadRuntime('docker', { scratch: folder.in('scratch') }),
    ref: `docker:${server.name}`,
    nothing: 'docker:no-such-container',
    dataDirectory: images[image].dataDirectory ?? '',
    // A server that restarts its sessions after a crash keeps its start time, but not its checkpointer.
    started: async () =>
      JSON.stringify(
        await server.query("SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

runtimeConformance('START-3: the host runtime', host);

describe.skipIf(noDocker)(
  `DOCK-4: the Docker runtime${noDocker === undefined ? '' : ` (skipped: ${noDocker})`}`,
  () => {
    runtimeConformance('a full image', () => docker('postgres-15'));
    runtimeConformance('an image with nothing but busybox', () => docker('busybox-postgres-15'));
  },
);
