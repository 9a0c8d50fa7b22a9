import { once } from 'node:events';
import { appendFile, chmod, chown, mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { extract, type Header } from 'tar-stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Files } from '../../src/runtimes/files.ts';

/** One implementation, and the same folder as this process sees it, to change it meanwhile. */
export interface FilesSubject extends AsyncDisposable {
  readonly folder: string;
  open(): Promise<Files>;
}

const MIB = 1 << 20;
/** Whom everything belongs to: not root, for whom nothing is unreadable. */
const OWNER = 999;
const LONG = 'l'.repeat(180);

/** The duties of `Files`, whoever reads them. */
export function filesConformance(
  title: string,
  make: () => Promise<FilesSubject>,
  how: { readsAsOwner: boolean },
): void {
  describe(title, () => {
    let subject: FilesSubject;
    let files: Files;
    const at = (...path: string[]): string => join(subject.folder, ...path);
    const put = async (path: string, content: string | Buffer): Promise<void> => {
      // Until it belongs to its owner everybody may read it: somebody may be at it already.
      await writeFile(at(path), content, { mode: 0o644 });
      await chown(at(path), OWNER, OWNER);
      await chmod(at(path), 0o600);
    };
    const folder = async (path: string): Promise<void> => {
      await mkdir(at(path), { mode: 0o750 });
      await chown(at(path), OWNER, OWNER);
    };

    beforeAll(async () => {
      subject = await make();
    }, 120_000);
    afterAll(() => subject?.[Symbol.asyncDispose]());
    beforeEach(async () => {
      for (const name of await readdir(subject.folder)) await rm(at(name), { recursive: true });
      await chown(subject.folder, OWNER, OWNER);
      files = await subject.open();
    });

    test('everything below the root, with modes and owners, links as links, long and strange names', async () => {
      await put('plain', 'text');
      await chmod(at('plain'), 0o640);
      await folder('empty');
      for (const path of ['deep', `deep/${LONG}`, `deep/${LONG}/${LONG}`]) await folder(path);
      await put(`deep/${LONG}/${LONG}/${LONG}`, 'deep');
      await put('über spaß "quoted" $HOME;-rf', 'strange');
      await put('-rf', 'an option?');
      await put('nothing', '');
      await symlink('/etc/passwd', at('link'));
      const entries = await read(files.tar());
      expect(entries.get('plain')).toMatchObject({ type: 'file', mode: 0o640, uid: OWNER, gid: OWNER, text: 'text' });
      expect(entries.get('empty')).toMatchObject({ type: 'directory', mode: 0o750 });
      expect(entries.get(`deep/${LONG}/${LONG}/${LONG}`)?.text).toBe('deep');
      expect(entries.get('über spaß "quoted" $HOME;-rf')?.text).toBe('strange');
      expect(entries.get('-rf')?.text).toBe('an option?');
      expect(entries.get('nothing')).toMatchObject({ type: 'file', size: 0 });
      expect(entries.get('link')).toMatchObject({ type: 'symlink', linkname: '/etc/passwd' });
      expect(entries.has('.')).toBe(false);
    });

    test('sockets are left out', async () => {
      const server = createServer().listen(at('socket'));
      await once(server, 'listening');
      await put('file', 'x');
      expect([...(await read(files.tar())).keys()]).toEqual(['file']);
      server.close();
    });

    test('skip drops an entry, or what is in a folder', async () => {
      for (const path of ['log', 'log/old']) await folder(path);
      await put('log/1', 'x');
      await put('log/old/2', 'x');
      await put('postmaster.pid', 'x');
      await put('kept', 'x');
      const skip = (path: string): boolean => path === 'log/' || path === 'postmaster.pid';
      expect([...(await read(files.tar({ skip }))).keys()].sort()).toEqual(['kept', 'log']);
    });

    test('only these, in this order; a missing one is an error', async () => {
      for (const name of ['a', 'b', 'c', 'd']) await put(name, name);
      expect([...(await read(files.tar({ only: ['d', 'a'] }))).keys()]).toEqual(['d', 'a']);
      await expect(read(files.tar({ only: ['d', 'gone'] }))).rejects.toMatchObject({ code: 'source-changed' });
    });

    test('what shrinks while it is read is filled with zeros, and what comes after it is whole', async () => {
      const size = 64 * MIB;
      await put('a-large', Buffer.alloc(size, 1));
      for (const name of ['b', 'c']) await put(name, `whole ${name}`);
      const entries = await read(files.tar({ only: ['a-large', 'b', 'c'] }), () => truncate(at('a-large'), MIB));
      const large = entries.get('a-large');
      expect(large?.size).toBe(size);
      expect(large?.ones).toBeLessThan(size);
      expect(large?.ones).toBeGreaterThanOrEqual(MIB);
      expect((large?.ones ?? 0) + (large?.zeros ?? 0)).toBe(size);
      expect([entries.get('b')?.text, entries.get('c')?.text]).toEqual(['whole b', 'whole c']);
    });

    test('what grows is cut at the size in its header', async () => {
      const size = 64 * MIB;
      await put('a-large', Buffer.alloc(size, 1));
      await put('b', 'whole');
      const entries = await read(files.tar({ only: ['a-large', 'b'] }), () =>
        appendFile(at('a-large'), Buffer.alloc(MIB, 1)),
      );
      expect(entries.get('a-large')?.ones).toBe(entries.get('a-large')?.size);
      expect(entries.get('b')?.text).toBe('whole');
    });

    test('what vanishes is skipped', async () => {
      await put('a-large', Buffer.alloc(32 * MIB, 1));
      await folder('dropped');
      for (let it = 0; it < 50; it++) await put(`dropped/${it}`, 'x');
      await put('kept', 'whole');
      const entries = await read(files.tar(), () => rm(at('dropped'), { recursive: true }));
      expect(entries.get('kept')?.text).toBe('whole');
      expect(entries.get('a-large')?.ones).toBe(32 * MIB);
    });

    test('a tar that is destroyed at any moment ends by itself: no part of it outlives it as an error of the process', async () => {
      const unheard: unknown[] = [];
      const hear = (cause: unknown): void => void unheard.push(cause);
      const heard = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException').on('uncaughtException', hear);
      try {
        for (const name of ['a', 'b', 'c']) await put(name, Buffer.alloc(8 * MIB, 1));
        for (let moment = 0; moment < 20; moment++) {
          const tar = files.tar();
          tar.on('error', () => undefined).resume();
          await sleep(moment);
          tar.destroy(new Error('enough'));
          await sleep(1);
        }
        await sleep(200);
      } finally {
        process.removeListener('uncaughtException', hear);
        for (const it of heard) process.on('uncaughtException', it);
      }
      expect(unheard).toEqual([]);
    });

    test('under load every archive is whole', async () => {
      const stop = new AbortController();
      const churn = (async () => {
        for (let it = 0; !stop.signal.aborted; it++) {
          const name = `churn-${it % 20}`;
          await put(name, Buffer.alloc(Math.floor(Math.random() * 4 * MIB), 1));
          if (it % 3 === 0) await truncate(at(name), 100).catch(() => undefined);
          if (it % 4 === 0) await rm(at(name), { force: true });
          await sleep(1);
        }
      })();
      try {
        await put('steady', 'whole');
        for (let round = 0; round < 5; round++) expect((await read(files.tar())).get('steady')?.text).toBe('whole');
      } finally {
        stop.abort();
        await churn;
      }
    });

    test.runIf(how.readsAsOwner)('what cannot be read is an error, not a gap', async () => {
      await put('a', 'x');
      await put('b', 'x');
      await chown(at('b'), 0, 0);
      await expect(read(files.tar())).rejects.toThrow(/b.*Permission denied/);
    });

    test('one file, the names in a folder, where a link leads', async () => {
      await folder('folder');
      for (const name of ['b', 'a']) await put(`folder/${name}`, `${name}\n`);
      await symlink('../elsewhere', at('folder', 'link'));
      expect((await files.read('folder/a')).toString()).toBe('a\n');
      await expect(files.read('folder/none')).rejects.toMatchObject({ code: 'not-found' });
      expect([...(await files.names('folder'))].sort()).toEqual(['a', 'b', 'link']);
      expect(await files.names('none')).toEqual([]);
      expect(await files.link('folder/link')).toBe('../elsewhere');
      expect(await files.link('folder/a')).toBeUndefined();
    });
  });
}

interface Entry extends Header {
  readonly text: string;
  readonly ones: number;
  readonly zeros: number;
}

/** All entries of an archive; `meanwhile` is called once the first megabyte of the first file has come. */
async function read(tar: Readable, meanwhile?: () => Promise<void>): Promise<Map<string, Entry>> {
  const out = extract();
  tar.on('error', (cause) => out.destroy(cause)).pipe(out);
  const found = new Map<string, Entry>();
  let called = meanwhile === undefined;
  for await (const entry of out) {
    const counted = { ones: 0, zeros: 0 };
    const kept: Buffer[] = [];
    for await (const chunk of entry) {
      const bytes = chunk as Buffer;
      for (const byte of bytes) byte === 0 ? counted.zeros++ : counted.ones++;
      if (bytes.length < 1000) kept.push(bytes);
      if (!called) {
        called = true;
        await meanwhile?.();
      }
    }
    found.set(entry.header.name.replace(/\/$/, ''), {
      ...entry.header,
      ...counted,
      text: Buffer.concat(kept).toString(),
    });
  }
  return found;
}
