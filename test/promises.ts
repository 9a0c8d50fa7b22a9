/**
 * `npm run promises`: every promise with the tests that show it, from the last `npm test` (or from one now: --run).
 * A test shows a promise when its title, or the title of a describe around it, begins with the id. Writes
 * docs/promises.md; exit 1 when a test of a promise failed.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type Results, readResults, type TestResult } from './results.ts';

type State = 'shown' | 'partly' | 'failed' | 'open';

/** A promise in a sentence; or with what no test shows yet, so that the tests there are do not claim all of it. */
type Told = string | { readonly text: string; readonly missing: string };

interface Shown {
  readonly id: string;
  readonly text: string;
  readonly missing?: string;
  readonly tests: readonly TestResult[];
  readonly state: State;
}

const isFamily = (ids: readonly string[], id: string) => ids.some((known) => known.split('-')[0] === id.split('-')[0]);

/** The ids that a title begins with: `START-4, START-7: …`. */
function idsOf(title: string, ids: readonly string[]): string[] {
  const [list = ''] = /^(?:[A-Z]+-\d+(?:, | and | )?)*/.exec(title) ?? [];
  return (list.match(/[A-Z]+-\d+/g) ?? []).filter((id) => isFamily(ids, id));
}

function judge(promises: Readonly<Record<string, Told>>, results: Results): Shown[] {
  const ids = Object.keys(promises);
  const tests = new Map<string, TestResult[]>(ids.map((id) => [id, []]));
  for (const test of results.tests) {
    for (const id of new Set(test.titles.flatMap((title) => idsOf(title, ids)))) {
      const found = tests.get(id);
      if (found === undefined) throw new Error(`${test.file}: "${test.titles.join(' > ')}" names an unknown promise`);
      found.push(test);
    }
  }
  return Object.entries(promises).map(([id, told]) => {
    const { text, missing } = typeof told === 'string' ? { text: told, missing: undefined } : told;
    const mine = tests.get(id) ?? [];
    const has = (state: TestResult['state']) => mine.some((test) => test.state === state);
    const best = missing === undefined ? 'shown' : 'partly';
    const state = has('failed') ? 'failed' : has('passed') ? best : 'open';
    return { id, text, ...(missing === undefined ? {} : { missing }), tests: mine, state };
  });
}

function* report(shown: readonly Shown[], date: string): Generator<string> {
  const count = (state: State) => shown.filter((promise) => promise.state === state).length;
  yield '# Promises';
  yield '';
  yield `Written by \`npm run promises\` from the test run of ${date}: ${count('shown')} of ${shown.length} shown,`;
  yield `${count('partly')} in part, ${count('failed')} failed, ${count('open')} open (no test, or only skipped ones).`;
  for (const { id, text, missing, tests, state } of shown) {
    yield '';
    yield `## ${id}: ${state}`;
    yield '';
    yield text;
    if (missing !== undefined) yield `Missing: ${missing}`;
    if (tests.length > 0) yield '';
    for (const test of tests) {
      const note = test.state === 'skipped' && test.note !== undefined ? ` (${test.note})` : '';
      yield `- ${test.state}: ${test.titles.join(' > ')}${note} (\`${test.file}\`)`;
    }
  }
}

if (process.argv.includes('--run')) {
  const run = fileURLToPath(new URL('run.ts', import.meta.url));
  await execa(process.execPath, [run], { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit', reject: false });
}
const results = await readResults();
if (results === undefined) {
  process.stderr.write('No results of a test run: run npm test first, or npm run promises -- --run.\n');
  process.exit(1);
}
const promises: Record<string, Told> = JSON.parse(await readFile(new URL('promises.json', import.meta.url), 'utf8'));
const shown = judge(promises, results);
const page = `${[...report(shown, `${results.ended.slice(0, 16).replace('T', ' ')} UTC`)].join('\n')}\n`;
const docs = new URL('../docs/promises.md', import.meta.url);
await mkdir(new URL('.', docs), { recursive: true });
await writeFile(docs, page);
process.stdout.write(page);
process.exitCode = shown.some(({ state }) => state === 'failed') ? 1 : 0;
