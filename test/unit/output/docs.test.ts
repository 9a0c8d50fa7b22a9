import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ERRORS } from '../../../src/model/errors.ts';
import { DOCS, generatedDocs } from '../../docs.ts';
import { manifest, plan, run, runOfThree } from './documents.ts';

const textOf = (name: string): string => readFileSync(new URL(name, DOCS), 'utf8');
const validator = (name: string) =>
  new Ajv2020({ strict: false, validateFormats: false }).compile(JSON.parse(textOf(name)));

describe('START-9: what docs/ holds of the code', () => {
  test.each([...generatedDocs().keys()])('%s is as npm run docs writes it', (name) => {
    expect(textOf(name)).toBe(generatedDocs().get(name));
  });

  test('every error code and every exit code is explained', () => {
    const page = textOf('errors.md');
    for (const [code, { exit }] of Object.entries(ERRORS)) {
      expect(page).toContain(`| \`${code}\` | ${exit} |`);
      expect(page).toMatch(new RegExp(`^\\| ${exit} \\| \\S`, 'm'));
    }
  });

  test('another validator than ours accepts the documents', () => {
    const events = validator('events.schema.json');
    for (const event of [...run, ...runOfThree]) expect(events(event), JSON.stringify(events.errors)).toBe(true);
    expect(events({ event: 'unknown' })).toBe(false);
    expect(validator('manifest.schema.json')(manifest)).toBe(true);
    expect(validator('plan.schema.json')(plan)).toBe(true);
    expect(validator('plan.schema.json')({ ...plan, more: 1 })).toBe(false);
  });

  test('and the configuration of the interface', () => {
    const config = validator('config.schema.json');
    const job = { sources: { orders: 'docker:pg', catalog: { ref: 'docker:mysql', method: 'dump' } }, hold: '10s' };
    expect(config(parse(JSON.stringify({ repositories: { local: { directory: '/b' } }, jobs: { shop: job } })))).toBe(
      true,
    );
    expect(config({ jobs: { shop: { ...job, hold: 10 } } })).toBe(false);
    expect(config({ jobs: { shop: { ...job, hold: '10 parsecs' } } })).toBe(false);
    expect(config({ job: {} })).toBe(false);
  });
});
