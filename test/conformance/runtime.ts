import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serversIn } from '../../src/detect/recognise.ts';
import { loadEngine } from '../../src/engines/registry.ts';
import { newId } from '../../src/model/id.ts';
import { parseRef } from '../../src/model/ref.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Instance, Runtime } from '../../src/runtimes/runtime.ts';

/** A running PostgreSQL in a runtime. */
export interface RuntimeSubject extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly ref: string;
  /** A reference of the same kind to what is not there. */
  readonly nothing: string;
  readonly dataDirectory: string;
  /** Changes when the server was restarted, by itself or by anybody. */
  started(): Promise<string>;
}

/** The duties of `Runtime` and `Instance`, wherever servers live. */
export function runtimeConformance(title: string, make: () => Promise<RuntimeSubject>): void {
  describe(title, () => {
    let subject: RuntimeSubject;
    let instance: Instance;

    beforeAll(async () => {
      subject = await make();
      instance = await subject.runtime.find(parseRef(subject.ref));
    }, 120_000);
    afterAll(() => subject?.[Symbol.asyncDispose]());

    test('finds one server with its evidence; what is not there is not found, or not reached', async () => {
      const engine = await loadEngine('postgresql');
      const [server, ...more] = serversIn(instance, [engine]);
      expect(more).toEqual([]);
      expect(server?.recognition.because.join()).toMatch(/postgres/);
      const reached = subject.runtime.find(parseRef(subject.nothing)).then((it) => it.dial({ port: 1 }));
      await expect(reached).rejects.toMatchObject({ code: expect.stringMatching(/^(not-found|unreachable)$/) });
    });

    test('scans it, too, and logs in nowhere', async () => {
      const engine = await loadEngine('postgresql');
      const found: Instance[] = [];
      for await (const it of subject.runtime.scan(new AbortController().signal)) found.push(it);
      const pids = new Set(instance.evidence.processes.map((it) => it.pid));
      const same = found.filter((it) => it.evidence.processes.some(({ pid }) => pids.has(pid)));
      expect(same.flatMap((it) => serversIn(it, [engine]))).toHaveLength(1);
    });

    test('dials every endpoint: the server answers there', async () => {
      expect(instance.endpoints.length).toBeGreaterThan(1);
      for (const endpoint of instance.endpoints) expect(await answer(instance, endpoint)).toMatch(/^[SN]$/);
    });

    test('says in words what cannot be reached', async () => {
      await expect(instance.dial({ port: 9 })).rejects.toMatchObject({ code: 'unreachable' });
      await expect(instance.dial({ socket: '/nowhere/socket' })).rejects.toMatchObject({ code: 'unreachable' });
    });

    test('runs a program: input, output, errors and status', async () => {
      await using process = await instance.exec(['sh', '-c', 'cat; echo said >&2; exit 7'], { limit: 20_000 });
      process.stdin.end('told');
      expect(await textOf(process.stdout)).toBe('told');
      expect(await process.exit).toEqual({ code: 7, stderr: 'said\n' });
    });

    test('streams as fast as it is read, and not faster: memory stays bounded', async () => {
      await using process = await instance.exec(['head', '-c', String(200 << 20), '/dev/zero'], { limit: 60_000 });
      const before = memory();
      await sleep(1_500);
      expect(memory() - before).toBeLessThan(64 << 20);
      let bytes = 0;
      for await (const chunk of process.stdout) bytes += (chunk as Buffer).length;
      expect(bytes).toBe(200 << 20);
      expect((await process.exit).code).toBe(0);
    });

    test("hands variables over by the environment: a secret is in nobody's arguments", async () => {
      const secret = `canary-${randomUUID()}`;
      const how = { env: { WORD: new Secret(secret), PLAIN: 'x' }, limit: 20_000 };
      await using process = await instance.exec(['sh', '-c', 'printf %s "$WORD$PLAIN"; cat'], how);
      expect(argumentsOfAll().filter((it) => it.includes(secret))).toEqual([]);
      process.stdin.end();
      expect(await textOf(process.stdout)).toBe(`${secret}x`);
    });

    test('a program that is not there is not found', async () => {
      await expect(instance.exec(['no-such-program'], { limit: 20_000 })).rejects.toMatchObject({ code: 'not-found' });
    });

    test('ends what takes longer than its limit, and the server never notices', async () => {
      const before = await subject.started();
      const mark = markOf();
      await using process = await instance.exec(['sleep', mark], { limit: 300 });
      await expect(process.exit).rejects.toMatchObject({ code: 'backup-failed' });
      expect(await gone(mark)).toBe(true);
      expect(await subject.started()).toBe(before);
    });

    test('ends on dispose, also what does not listen to a kind word', async () => {
      const before = await subject.started();
      const mark = markOf();
      const stubborn = `trap '' TERM; while :; do sleep 1; done; : ${mark}`;
      {
        await using process = await instance.exec(['sh', '-c', stubborn], { limit: 60_000 });
        expect(argumentsOfAll().some((it) => it.includes(mark))).toBe(true);
        process.exit.catch(() => undefined);
      }
      expect(await gone(mark)).toBe(true);
      expect(await subject.started()).toBe(before);
    });

    test('knows where the data lie, and reads them', async () => {
      const [volume] = await instance.volumes([subject.dataDirectory]);
      expect(volume?.freeBytes).toBeGreaterThan(0);
      expect(volume?.fileSystem).not.toBe('?');
      const files = await instance.files(subject.dataDirectory);
      expect((await files.read('PG_VERSION')).toString()).toMatch(/^\d+\n$/);
      expect(await files.names('base')).toContain('1');
      await expect(instance.files('/no/such/folder').then((it) => it.read('x'))).rejects.toMatchObject({
        code: 'not-found',
      });
    });

    test('makes a twin from the stored definition: filled, started, heard, and removed to the last byte', async () => {
      const stored = JSON.parse(JSON.stringify(await instance.definition(subject.dataDirectory)));
      const definition = { ...stored, programs: stored.programs ?? (await programs(instance)) };
      const run = newId();
      const left = async (): Promise<number> =>
        (await Array.fromAsync(subject.runtime.leftovers())).filter((it) => it.run === run).length;
      {
        await using twin = await subject.runtime.twin(definition, run);
        expect(await left()).toBeGreaterThan(0);
        await twin.write(tarOf({ 'hello.txt': 'hello' }), 'deep/folder');
        expect((await (await twin.files(twin.root)).read('deep/folder/hello.txt')).toString()).toBe('hello');
        await twin.start(['postgres', '--version']);
        expect(await twin.ended).toBe(0);
        expect(await twin.log()).toMatch(/^postgres \(PostgreSQL\) \d+/);
        expect(twin.runs).not.toBe('');
      }
      expect(await left()).toBe(0);
    });

    test('a twin takes nothing that leads out of it', async () => {
      const stored = JSON.parse(JSON.stringify(await instance.definition(subject.dataDirectory)));
      const definition = { ...stored, programs: stored.programs ?? (await programs(instance)) };
      await using twin = await subject.runtime.twin(definition, newId());
      for (const name of ['../out', '/etc/out', 'a/../../out'])
        await expect(twin.write(tarOf({ [name]: 'x' })), name).rejects.toThrow();
    });

    test('what a dead run left is found by its run id, and removed; twice does no harm', async () => {
      const stored = JSON.parse(JSON.stringify(await instance.definition(subject.dataDirectory)));
      const definition = { ...stored, programs: stored.programs ?? (await programs(instance)) };
      const run = newId();
      await using _twin = await subject.runtime.twin(definition, run);
      const left = (await Array.fromAsync(subject.runtime.leftovers())).filter((it) => it.run === run);
      expect(left.length).toBeGreaterThan(0);
      for (const it of [...left, ...left]) await it.remove();
      expect((await Array.fromAsync(subject.runtime.leftovers())).filter((it) => it.run === run)).toEqual([]);
    });
  });
}

/** A number of seconds that nobody else sleeps. */
const markOf = (): string => String(100_000 + Math.floor(Math.random() * 800_000));

const memory = (): number => process.memoryUsage().rss;

/** The arguments of every process that this machine shows. */
function argumentsOfAll(): readonly string[] {
  const pids = readdirSync('/proc').filter((it) => /^\d+$/.test(it) && Number(it) !== process.pid);
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return '';
    }
  });
}

async function gone(mark: string): Promise<boolean> {
  for (let attempt = 0; attempt < 50; attempt++) {
    if (!argumentsOfAll().some((it) => it.includes(mark))) return true;
    await sleep(100);
  }
  return false;
}

/** What PostgreSQL says to a wish for encryption: S or N. */
async function answer(instance: Instance, endpoint: Instance['endpoints'][number]): Promise<string> {
  const stream = await instance.dial(endpoint);
  stream.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
  try {
    for await (const chunk of stream) return (chunk as Buffer).toString();
    return '';
  } finally {
    stream.destroy();
  }
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += (chunk as Buffer).toString();
  return text;
}

/** Where an engine would have found them. */
const programs = async (instance: Instance): Promise<string> => {
  const executable = instance.evidence.processes[0]?.executable ?? '';
  return executable.slice(0, executable.lastIndexOf('/'));
};

function tarOf(files: Readonly<Record<string, string>>): Parameters<Awaited<ReturnType<Runtime['twin']>>['write']>[0] {
  const tar = pack();
  for (const [name, text] of Object.entries(files)) tar.entry({ name, mode: 0o600 }, text);
  tar.finalize();
  return tar as never;
}
