import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import Docker from 'dockerode';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { type Server, startServer } from '../support/containers.ts';
import { ask } from '../support/psql.ts';

const found = await tryImage('postgres-15');
const reason = process.getuid?.() === 0 ? (found.ok ? undefined : found.reason) : 'not root';

/** Of a role that only the runner is told of: it has no business anywhere else. */
const CANARY = `canary-role-${Math.random().toString(36).slice(2)}`;
/** Of the server's own container, whose definition is stored. */
const CONTAINERS = `canary-env-${Math.random().toString(36).slice(2)}`;

const textOf = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');

describe.skipIf(reason)(`secrets${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let server: Server;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  const docker = new Docker();
  const seen = new Set<string>();
  /** How often a tool of ours was seen with the password in its own environment: that the scan sees anything at all. */
  let tools = 0;
  const over = new AbortController();
  let watching: Promise<unknown> = Promise.resolve();

  /** Whether this process may know it: the tool in the server's container and the shell that waits for it, not the guard. */
  const mayKnow = async (pid: string, argv: string): Promise<boolean> => {
    const group = `${await textOf(`/proc/${pid}/cgroup`)}${await textOf(`/proc/${pid}/mountinfo`)}`;
    return group.includes(server.container.getId()) && /pg_dump|psql|pg_restore/.test(argv);
  };
  const lookAtProcesses = async (): Promise<void> => {
    for (const pid of (await readdir('/proc')).filter((it) => /^\d+$/.test(it) && it !== String(process.pid))) {
      const argv = (await textOf(`/proc/${pid}/cmdline`)).replaceAll('\0', ' ');
      if (argv.includes(CANARY) || argv.includes(CONTAINERS)) seen.add(`arguments of ${argv}`);
      if (!(await textOf(`/proc/${pid}/environ`)).includes(CANARY)) continue;
      if (await mayKnow(pid, argv)) tools++;
      else seen.add(`environment of ${pid}: ${argv}`);
    }
  };
  const lookAtContainers = async (): Promise<void> => {
    for (const { Id, Names } of await docker.listContainers({ all: true })) {
      const text = JSON.stringify(
        await docker
          .getContainer(Id)
          .inspect()
          .catch(() => ''),
      );
      if (text.includes(CANARY)) seen.add(`docker inspect of ${Names.join()}`);
      if (Id !== server.container.getId() && text.includes(CONTAINERS)) seen.add(`docker inspect of ${Names.join()}`);
    }
  };
  const lookAtState = async (): Promise<void> => {
    for (const place of ['state', 'scratch'])
      for (const entry of await readdir(folder.in(place), { recursive: true, withFileTypes: true }).catch(() => [])) {
        const text = entry.isFile() ? await textOf(join(entry.parentPath, entry.name)) : '';
        if (text.includes(CANARY) || text.includes(CONTAINERS)) seen.add(`${place}: ${entry.name}`);
      }
  };
  const repeat = async (look: () => Promise<void>, pause: number): Promise<void> => {
    for (; !over.signal.aborted; await sleep(pause)) await look();
  };
  const run = async (...args: string[]): Promise<void> => {
    for (const output of ['text', 'ndjson']) {
      const [verb = ''] = args;
      if (output === 'ndjson' && verb === 'restore') continue;
      const done = await stillpoint([...args, '-v', '-o', output], {
        env: {
          STILLPOINT_USER: 'clerk',
          STILLPOINT_PASSWORD_FILE: folder.in('password'),
          STILLPOINT_STATE: folder.in('state'),
          STILLPOINT_SCRATCH: folder.in('scratch'),
        },
      });
      expect(done.code, done.stderr).toBe(0);
      for (const [stream, text] of Object.entries({ stdout: done.stdout, stderr: done.stderr }))
        if (text.includes(CANARY) || text.includes(CONTAINERS)) seen.add(`${stream} of ${args.join(' ')}`);
    }
  };

  beforeAll(async () => {
    folder = await makeFolder();
    server = await startServer({ environment: { POSTGRES_PASSWORD: CONTAINERS } });
    await ask(
      server.name,
      'postgres',
      'CREATE TABLE orders AS SELECT g AS id, repeat(md5(g::text), 20) AS text FROM generate_series(1, 40000) g',
    );
    // Over standard input: the test itself must not put it into anybody's arguments.
    const psql = ['exec', '-i', server.name, 'psql', '-U', 'postgres'];
    await execa('docker', psql, { input: `CREATE ROLE clerk SUPERUSER LOGIN PASSWORD '${CANARY}'` });
    await server.run(
      'sh',
      '-c',
      'echo "local all all scram-sha-256" > $PGDATA/pg_hba.conf; echo "host all all all scram-sha-256" >> $PGDATA/pg_hba.conf; kill -HUP 1',
    );
    await writeFile(folder.in('password'), CANARY, { mode: 0o600 });
  });
  afterAll(async () => {
    over.abort();
    await watching;
    for (const method of ['dump', 'copy']) {
      await execa('docker', ['rm', '-f', '-v', `${method}-${server.name}`], { reject: false });
      await execa('docker', ['volume', 'rm', '-f', `${method}-${server.name}-data`], { reject: false });
    }
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test("DOCK-4 a password is in nobody's arguments or environment but the tool's, in no output, no file of ours, no inspect and no event, during backup, verify and restore of dump and copy", {
    timeout: 300_000,
  }, async () => {
    const events = (await docker.getEvents()) as NodeJS.ReadableStream & { destroy(): void };
    let told = '';
    events.on('data', (chunk: Buffer) => {
      told += chunk.toString('utf8');
    });
    watching = Promise.all([repeat(lookAtProcesses, 30), repeat(lookAtContainers, 700), repeat(lookAtState, 100)]);
    for (const method of ['dump', 'copy']) {
      const repository = folder.in(`repository-${method}`);
      await run('backup', `docker:${server.name}`, '--method', method, '--to', repository);
      await run('verify', 'latest', '--from', repository);
      await run('restore', 'latest', '--from', repository, '--as', `${method}-`);
      await run('show', 'latest', '--from', repository);
      for (const entry of await readdir(repository, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const stored = await readFile(join(entry.parentPath, entry.name));
        const plain = entry.name.endsWith('.zst') ? zstdDecompressSync(stored) : stored;
        for (const canary of [CANARY, CONTAINERS]) if (plain.includes(canary)) seen.add(`repository: ${entry.name}`);
      }
    }
    over.abort();
    await watching;
    events.destroy();
    for (const canary of [CANARY, CONTAINERS]) if (told.includes(canary)) seen.add('docker events');
    const { stdout, stderr } = await execa('docker', ['logs', server.name]);
    if (`${stdout}${stderr}`.includes(CANARY)) seen.add('log of the server');
    expect([...seen]).toEqual([]);
    // The scan has seen something: a tool of the dump, and the runs themselves among the events.
    expect(tools).toBeGreaterThan(0);
    expect(told).toContain('exec_create');
  });
});
