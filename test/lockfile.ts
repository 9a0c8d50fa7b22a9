/**
 * Removes `engines` from package-lock.json. `npm ci` on Node 20 installs the Node 24 that runs everything here, so its
 * EBADENGINE warnings about the Node it happens to run on are false; npm offers no setting that silences only them.
 */
import { readFile, writeFile } from 'node:fs/promises';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(await readFile(path, 'utf8')) as { packages: Record<string, { engines?: unknown }> };
for (const entry of Object.values(lock.packages)) delete entry.engines;
await writeFile(path, `${JSON.stringify(lock, null, 2)}\n`);
