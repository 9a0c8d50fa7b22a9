// Apart from stillpoint.cjs, because a Node that is too old cannot even read what follows.
const { existsSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { setFlagsFromString } = require('node:v8');

// Compression runs on libuv's pool: as many threads as cores, and two for the files; each keeps
// some MiB for good.
if (process.env.UV_THREADPOOL_SIZE === undefined) process.env.UV_THREADPOOL_SIZE = String(availableParallelism() + 2);

// Every chunk of a stream is memory outside of V8's heap, which is given back with the next collection: a young
// generation that may not grow is collected often, and a third of the memory is saved at the same speed.
setFlagsFromString('--semi-space-growth-factor=1');

const built = join(__dirname, '..', 'dist', 'cli.js');
// In a clone there is nothing built: Node reads the TypeScript itself.
import(pathToFileURL(existsSync(built) ? built : join(__dirname, '..', 'src', 'cli.ts')).href);
