import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

const CONTRACTS = {
  'src/engines/engine.ts': ['Engine'],
  'src/engines/capture.ts': ['Capture', 'Hold'],
  'src/runtimes/runtime.ts': ['Runtime', 'Instance', 'Twin'],
  'src/runtimes/files.ts': ['Files'],
  'src/snapshots/snapshotter.ts': ['Snapshotter', 'StorageCut'],
  'src/repositories/repository.ts': ['Repository', 'Incoming'],
  'src/model/plan.ts': ['Plan'],
  'src/model/manifest.ts': ['Manifest'],
} as const;

describe('the contracts', () => {
  test.each(Object.entries(CONTRACTS))(
    'START-3 %s stands alone: interfaces, and types from other contracts',
    async (path, names) => {
      const text = await read(path);
      for (const name of names) expect(text).toMatch(new RegExp(`export interface ${name}\\b`));
      const imports = [...text.matchAll(/^import (type )?[^;]* from '([^']+)';$/gms)];
      expect(imports.filter((it) => it[1] === undefined).map((it) => it[2])).toEqual([]);
      for (const [, , from] of imports) expect(from).not.toMatch(/postgresql|directory|\/host\/|docker/);
    },
  );

  test.each([
    'src/engines/engine.ts',
    'src/engines/capture.ts',
    'src/snapshots/snapshotter.ts',
    'src/runtimes/files.ts',
  ])('START-3 every method of %s says its duties', async (path) => {
    const lines = (await read(path)).split('\n');
    const methods = lines.flatMap((line, at) => (/^ {2}[a-z]\w*\(.*[;(]$/.test(line) ? [at] : []));
    expect(methods.length).toBeGreaterThan(0);
    for (const at of methods) expect(`${lines[at - 1]} ${lines[at]}`).toMatch(/\*\/ /);
  });

  test('START-3 run.ts reads like the sketch: begin, open, prepare, cut, finish, claim, commit', async () => {
    const text = await read('src/backup/run.ts');
    const order = [
      'repository.begin(',
      'openAll(',
      'prepareAll(',
      'cutTogether(',
      'finishAll(',
      'claim(',
      'commit(',
    ].map((it) => text.lastIndexOf(it));
    expect(order.every((it) => it > 0)).toBe(true);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(text.split('\n').length).toBeLessThan(100);
  });

  test('START-3 only the window stops writes', async () => {
    const { readdir } = await import('node:fs/promises');
    const files = (await readdir(new URL('../../src/', import.meta.url), { recursive: true })).filter((it) =>
      it.endsWith('.ts'),
    );
    const holding: string[] = [];
    for (const file of files) if (/\bcapture\.hold\(/.test(await read(`src/${file}`))) holding.push(file);
    expect(holding).toEqual(['backup/window.ts']);
  });

  test('START-3 ADR 1 has the flow table with the cells that were tried', async () => {
    const text = await read('docs/adr/0001-flow.md');
    for (const row of ['PostgreSQL copy', 'PostgreSQL dump', 'MariaDB dump', 'MongoDB dump', 'CSI'])
      expect(text).toContain(`| ${row} |`);
    expect(text).toMatch(/\*\*PostgreSQL copy stops at the point \(18\.4\)\.\*\*/);
  });
});
