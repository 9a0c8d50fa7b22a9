/** Preloaded with `--import`: prints on standard error how many files the program opened or read by itself. */
import { promises, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

let opened = 0;
for (const name of ['open', 'readFile', 'readdir'] as const) {
  const original: unknown = Reflect.get(promises, name);
  if (typeof original !== 'function') throw new Error(`fs has no ${name}`);
  Reflect.set(promises, name, (...given: unknown[]) => {
    opened++;
    return Reflect.apply(original, promises, given);
  });
}
syncBuiltinESMExports();
process.on('exit', () => writeSync(2, `opened ${opened}\n`));
