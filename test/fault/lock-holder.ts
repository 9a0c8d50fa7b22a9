/** A process that holds the job's lock and half a backup until it is killed: `node lock-holder.ts FOLDER ID`. */
import { Readable } from 'node:stream';
import { thisRunner } from '../../src/hold/runner.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';

const [path = '', id = ''] = process.argv.slice(2);
const repository = await openDirectoryRepository(path, { create: true, runner: await thisRunner() });
const backup = await repository.begin('shop', id);
await backup.put('orders.dump', Readable.from([Buffer.alloc(10_000_000)]));
process.stdout.write('held\n');
setInterval(() => {}, 1000);
