// Apart from stillpoint.cjs, because a Node that is too old cannot even read what follows.
const { existsSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

// Compression runs on libuv's pool: as many threads as cores, and some for the files.
if (process.env.UV_THREADPOOL_SIZE === undefined) process.env.UV_THREADPOOL_SIZE = String(availableParallelism() + 4);

const built = join(__dirname, '..', 'dist', 'cli.js');
// In a clone there is nothing built: Node reads the TypeScript itself.
import(pathToFileURL(existsSync(built) ? built : join(__dirname, '..', 'src', 'cli.ts')).href);
