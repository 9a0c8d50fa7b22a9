/** One act on a repository as a process of its own, for codec.ts to time: `put|get|check REPOSITORY SOURCE KEY|-`. */
import { createReadStream, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { thisRunner } from '../../src/hold/runner.ts';
import { Secret } from '../../src/model/secret.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { manifestOf } from '../conformance/backups.ts';

const [act = '', path = '', source = '', key = '-'] = process.argv.slice(2);
const ID = '7f3k9q2m';
const recipient = key === '-' ? '' : (/age1\S+/.exec(readFileSync(key, 'utf8'))?.[0] ?? '');
const encryption =
  key === '-' ? {} : { recipients: [recipient], identity: async () => new Secret(await readFile(key, 'utf8')) };
const repository = await openDirectoryRepository(path, { create: true, runner: await thisRunner(), encryption });

/** `16GiB`: so many bytes like a database's, made here; else a file. */
function plain(): Readable {
  const gib = /^(\d+)GiB$/.exec(source)?.[1];
  if (gib === undefined) return createReadStream(source, { highWaterMark: 64 * 1024 });
  const chunk = readFileSync(process.env.STILLPOINT_BENCH_SAMPLE ?? '').subarray(0, 1024 * 1024);
  return Readable.from(
    (function* () {
      for (let n = 0; n < Number(gib) * 1024; n += 1) yield chunk;
    })(),
  );
}

if (act === 'put') {
  await using backup = await repository.begin('bench', ID);
  const artifacts = [await backup.put('orders.dump', plain())];
  await backup.commit(manifestOf({ id: ID, job: 'bench', artifacts }));
} else if (act === 'get') {
  await using open = await repository.open(ID);
  for await (const chunk of await open('orders.dump')) process.stdout.write(chunk) || (await drained());
} else {
  const damage = await Array.fromAsync(repository.check(ID, new AbortController().signal));
  if (damage.length > 0) throw new Error(JSON.stringify(damage));
}
process.stderr.write(`${/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}\n`);

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once('drain', () => resolve()));
}
