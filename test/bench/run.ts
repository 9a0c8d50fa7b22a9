/** `npm run bench NAME [SIZE]`: measures, prints, and keeps the result in its section of docs/bench.md. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { codec } from './codec.ts';
import { copy } from './copy.ts';
import { detect } from './detect.ts';
import { memory } from './memory.ts';
import { stall } from './stall/index.ts';
import { store } from './store.ts';
import { storeList } from './store-list.ts';

const BENCHES: Readonly<Record<string, (size?: number) => Promise<string[]>>> = {
  codec,
  copy,
  detect,
  memory,
  store,
  list: storeList,
  stall,
};
const PAGE = new URL('../../docs/bench.md', import.meta.url);
const HEAD = '# Measurements\n\nWritten by `npm run bench NAME`; each section says when and on which machine.\n';

const machine = (): string =>
  `${availableParallelism()} cores (${cpus()[0]?.model ?? arch()}), ${Math.round(totalmem() / 1024 ** 3)} GiB of memory`;

async function page(): Promise<string> {
  try {
    return await readFile(PAGE, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return HEAD;
    throw error;
  }
}

const [act = '', size] = process.argv.slice(2);
const bench = Object.hasOwn(BENCHES, act) ? BENCHES[act] : undefined;
// A size has a section of its own, so that the sizes can be measured one by one.
const name = size === undefined ? act : `${act} ${size}`;
if (bench === undefined) {
  process.stderr.write(`npm run bench ${Object.keys(BENCHES).join('|')}\n`);
  process.exit(2);
}
const [load = Number.NaN] = loadavg();
const lines = await (size === undefined ? bench() : bench(Number(size)));
const section = `## ${name}\n\n${new Date().toISOString().slice(0, 10)}, ${machine()}; load before it: ${load.toFixed(1)}.\n\n${lines.join('\n')}\n`;
process.stdout.write(section);
const [head = HEAD, ...sections] = (await page()).split(/^(?=## )/m);
const others = sections.filter((other) => !other.startsWith(`## ${name}\n`)).map((other) => other.trimEnd());
const all = [head.trimEnd(), ...[...others, section.trimEnd()].sort()];
await mkdir(new URL('.', PAGE), { recursive: true });
await writeFile(PAGE, `${all.join('\n\n')}\n`);
