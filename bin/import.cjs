// Apart from stillpoint.cjs, because a Node that is too old cannot even read what follows.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const built = join(__dirname, '..', 'dist', 'cli.js');
// In a clone there is nothing built: Node reads the TypeScript itself.
import(pathToFileURL(existsSync(built) ? built : join(__dirname, '..', 'src', 'cli.ts')).href);
