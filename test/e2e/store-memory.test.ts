import { mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build } from '../bench/built.ts';
import { configure, fill } from '../bench/store.ts';
import { type Done, runProgram } from '../bench/timed-program.ts';
import { tryImage } from '../environment/images.ts';
import { makeFolder } from '../support/cli.ts';
import { type Server, startServer } from '../support/containers.ts';

const available = await tryImage('postgres-15');
const noDocker = available.ok ? undefined : available.reason;
const GIB = 0.4;
/** MiB. */
const MOST = 200;

describe.skipIf(noDocker)(`STORE-9 memory${noDocker === undefined ? '' : ` (skipped: ${noDocker})`}`, () => {
  const stack = new AsyncDisposableStack();
  let server: Server;
  let folder: string;
  let program: string;
  const run = (...args: readonly string[]): Promise<Done> => runProgram(program, args, folder);

  beforeAll(async () => {
    server = stack.use(await startServer({ environment: { POSTGRES_DB: 'bench' }, command: ['-c', 'fsync=off'] }));
    folder = stack.use(await makeFolder()).path;
    await mkdir(`${folder}/program`);
    program = await build(`${folder}/program`);
    await configure(folder);
    await fill(server, GIB);
  });
  afterAll(() => stack.disposeAsync());

  test.each(['plain', 'locked'])('STORE-9 a dump stored in a repository that is %s, within 200 MiB', async (to) => {
    const { peak, events } = await run('backup', `docker:${server.name}#bench`, '--to', to, '--method', 'dump');
    const saved = events.find((it) => it.event === 'saved');
    expect(Number(saved?.plainBytes)).toBeGreaterThan(0.75 * GIB * 1024 ** 3);
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThan(MOST);
  });

  test('STORE-9 and restored, decrypted, within the same', async () => {
    const name = `memory-${server.name}`;
    stack.defer(async () => void (await execa('docker', ['volume', 'rm', '--force', `${name}-data`])));
    stack.defer(async () => void (await execa('docker', ['rm', '--force', '--volumes', name])));
    const { peak } = await run('restore', 'latest', '--from', 'locked', '--as', 'memory-');
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThan(MOST);
  });
});
