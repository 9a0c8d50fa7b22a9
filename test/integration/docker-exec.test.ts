import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demultiplex } from '../../src/runtimes/docker/frames.ts';
import { dockerRuntime } from '../../src/runtimes/docker/index.ts';
import type { Instance } from '../../src/runtimes/runtime.ts';
import { tryImage } from '../environment/images.ts';
import { type Server, startServer, until } from '../support/containers.ts';
import { type DockerProxy, startDockerProxy } from '../support/docker-proxy.ts';

const available = await tryImage('postgres-15');
const noDocker = available.ok ? undefined : available.reason;

const frame = (stream: number, text: string): Buffer => {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
};

async function taken(chunks: readonly Buffer[], mark?: string): Promise<{ stdout: string; stderr: string }> {
  const socket = new PassThrough();
  let stderr = '';
  const stream = demultiplex(
    socket,
    (chunk) => {
      stderr += chunk.toString();
    },
    mark === undefined ? {} : { mark },
  );
  for (const chunk of chunks) socket.write(chunk);
  socket.end();
  let stdout = '';
  for await (const chunk of stream) stdout += (chunk as Buffer).toString();
  return { stdout, stderr };
}

describe('DOCK-5: the frames of an exec stream', () => {
  const whole = Buffer.concat([frame(1, 'one '), frame(2, 'fault'), frame(1, ''), frame(1, 'two')]);

  test('are taken apart wherever the network cut them', async () => {
    for (let size = 1; size <= whole.length; size++) {
      const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
        whole.subarray(at * size, (at + 1) * size),
      );
      expect(await taken(chunks)).toEqual({ stdout: 'one two', stderr: 'fault' });
    }
  });

  test('a stream that ends inside a frame is an error at every byte', async () => {
    const last = whole.length - frame(1, 'two').length;
    for (let end = last + 1; end < whole.length; end++)
      await expect(taken([whole.subarray(0, end)]), `cut at ${end}`).rejects.toThrow(/cut/);
  });

  test('an output without its mark is an error; a mark on the way, whole or in part, is not its end', async () => {
    const mark = '0123456789abcdef';
    const text = `012${mark}000 and 0123456789`;
    const marked = Buffer.concat([frame(1, text), frame(1, `${mark}000`)]);
    for (let size = 1; size <= marked.length; size++) {
      const chunks = Array.from({ length: Math.ceil(marked.length / size) }, (_, at) =>
        marked.subarray(at * size, (at + 1) * size),
      );
      expect(await taken(chunks, mark)).toEqual({ stdout: text, stderr: '' });
    }
    await expect(taken([frame(1, text)], mark)).rejects.toThrow(/cut/);
    await expect(taken([frame(1, `${text}${mark}00`)], mark)).rejects.toThrow(/cut/);
    await expect(taken([], mark)).rejects.toThrow(/cut/);
  });

  test('what is waited for on stderr is found behind any amount of output that nobody reads yet; afterwards a slow reader slows it', async () => {
    const socket = new PassThrough({ highWaterMark: 1 << 16 });
    const opened = Promise.withResolvers<void>();
    const stream = demultiplex(socket, () => opened.resolve(), { opened: opened.promise });
    const block = frame(1, 'x'.repeat(1 << 16));
    const send = async (chunk: Buffer): Promise<boolean> =>
      socket.write(chunk) || (await Promise.race([once(socket, 'drain').then(() => true), sleep(200, false)]));
    for (let n = 0; n < 64; n++) expect(await send(block)).toBe(true);
    await send(frame(2, 'here I am'));
    await opened.promise;
    let more = 0;
    while (more < 64 && (await send(block))) more++;
    expect(more).toBeLessThan(8);
    stream.destroy();
  });
});

const processes = (): readonly string[] =>
  readdirSync('/proc')
    .filter((it) => /^\d+$/.test(it))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });

/** Whoever says that it runs may have said so a moment before it was put in place of its shell. */
const runs = (mark: string): boolean => processes().some((it) => it.startsWith(`sleep ${mark}`));

describe.skipIf(noDocker)(`DOCK-5: exec in a container${noDocker ? ` (skipped: ${noDocker})` : ''}`, () => {
  const stack = new AsyncDisposableStack();
  let server: Server;
  let proxy: DockerProxy;
  let instance: Instance;
  const checkpointer = async (): Promise<string> =>
    JSON.stringify(
      await server.query("SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'"),
    );

  beforeAll(async () => {
    server = stack.use(await startServer());
    proxy = stack.use(await startDockerProxy());
    instance = await dockerRuntime('/var/tmp', proxy.docker).find({ kind: 'docker', name: server.name });
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  test('a stream that was cut is a failure, however well the program ends, and the program is ended', async () => {
    const mark = '400001';
    await using process = await instance.exec(['sh', '-c', `echo begun; exec sleep ${mark}`], { limit: 60_000 });
    await once(process.stdout, 'readable');
    proxy.cut();
    await expect(process.exit).rejects.toMatchObject({ code: 'backup-failed' });
    await until(async () => !runs(mark));
  });

  test('no exit status is a failure, never a success', async () => {
    proxy.answer(/\/exec\/\w+\/json/, (body) => ({ ...body, Running: false, ExitCode: null }));
    await using process = await instance.exec(['true'], { limit: 60_000 });
    process.stdout.resume();
    await expect(process.exit).rejects.toThrow(/Docker has no exit status for it/);
    proxy.answer(/x/, undefined);
  });

  test('a stream that ended while its program still runs is a failure', async () => {
    proxy.answer(/\/exec\/\w+\/json/, (body) => ({ ...body, Running: true, ExitCode: null }));
    await using process = await instance.exec(['true'], { limit: 60_000 });
    process.stdout.resume();
    await expect(process.exit).rejects.toThrow(/its stream ended while it still runs/);
    proxy.answer(/x/, undefined);
  });

  test('a daemon that does not answer afterwards is a failure', async () => {
    proxy.answer(/\/exec\/\w+\/json/, () => undefined);
    await using process = await instance.exec(['true'], { limit: 60_000 });
    process.stdout.resume();
    await expect(process.exit).rejects.toMatchObject({ code: 'backup-failed' });
    proxy.answer(/x/, undefined);
  });

  test('after SIGKILL of the runner no program of its runs on, and the server never noticed', async () => {
    const mark = '400002';
    const before = await checkpointer();
    const runner = spawn(
      process.execPath,
      [fileURLToPath(new URL('../support/exec-and-wait.ts', import.meta.url)), server.name, mark],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    await once(runner.stdout, 'data');
    await until(async () => runs(mark));
    runner.kill('SIGKILL');
    await until(async () => !runs(mark));
    expect(await checkpointer()).toBe(before);
    const { stderr } = await execa('docker', ['logs', server.container.getId()]);
    expect(stderr).not.toMatch(/terminated by signal/);
  });
});
