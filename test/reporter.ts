import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';
import { RESULTS, type Results, type TestResult } from './results.ts';

/** Writes every test with its state for run.ts and promises.ts. Vitest's own JSON drops the reasons of skips and failing hooks. */
export default class ResultsReporter implements Reporter {
  async onTestRunEnd(
    modules: readonly TestModule[],
    unhandled: readonly { message?: string }[],
    reason: 'passed' | 'interrupted' | 'failed',
  ): Promise<void> {
    const tests = modules.flatMap(ofModule);
    const broken = (note: string): TestResult => ({ titles: [note], file: '', state: 'failed', millis: 0, note });
    for (const error of unhandled) tests.push(broken(`outside of any test: ${error.message}`));
    if (reason === 'interrupted') tests.push(broken('the run was interrupted'));
    const results: Results = { ended: new Date().toISOString(), tests };
    await mkdir(dirname(RESULTS), { recursive: true });
    await writeFile(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
  }
}

function ofModule(module: TestModule): TestResult[] {
  const file = relative(module.project.vitest.config.root, module.moduleId);
  const tests = [...module.children.allTests()].map((test) => ofTest(test, file));
  // A file that does not load, or a hook that fails, fails no test of its own: it counts as one.
  const parents = [module, ...module.children.allSuites()].filter((parent) => parent.errors().length > 0);
  const empty = module.state() !== 'skipped' && tests.length === 0 && parents.length === 0;
  return [
    ...tests,
    ...parents.map((parent) => failed(parent, file, parent.errors())),
    ...(empty ? [failed(module, file, [{ message: 'it holds no test, or its process died' }])] : []),
  ];
}

function failed(parent: TestModule | TestSuite, file: string, errors: readonly { message: string }[]): TestResult {
  const titles = parent.type === 'module' ? [file] : titlesOf(parent);
  return { titles, file, state: 'failed', millis: 0, note: errors.map(({ message }) => message).join('\n') };
}

function ofTest(test: TestCase, file: string): TestResult {
  const result = test.result();
  const common = { titles: titlesOf(test), file, millis: Math.round(test.diagnostic()?.duration ?? 0) };
  switch (result.state) {
    case 'passed':
      return { ...common, state: 'passed' };
    case 'skipped':
      return { ...common, state: 'skipped', ...(result.note === undefined ? {} : { note: result.note }) };
    case 'failed':
      return { ...common, state: 'failed', note: result.errors.map(({ message }) => message).join('\n') };
    case 'pending':
      return { ...common, state: 'failed', note: 'it did not end: its process died' };
  }
}

function titlesOf(entity: TestCase | TestSuite): string[] {
  return [...(entity.parent.type === 'module' ? [] : titlesOf(entity.parent)), entity.name];
}
