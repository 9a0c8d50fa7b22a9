import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatRef, nameOfRef, parseRef, type Ref, SCHEMES } from '../../../src/model/ref.ts';

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,12}$/);
const database = fc.option(fc.stringMatching(/^[A-Za-z0-9_$ -]{1,12}$/), { nil: undefined });
const withDatabase = <T extends object>(ref: fc.Arbitrary<T>) =>
  fc.tuple(ref, database).map(([it, name]) => (name === undefined ? it : { ...it, database: name }) as Ref);

const host = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,10}(\.[a-z]{1,5})?$/).filter((it) => !it.endsWith('-')),
  fc.constant('127.0.0.1'),
  fc.constant('::1'),
);

const refs: fc.Arbitrary<Ref> = fc.oneof(
  withDatabase(
    fc
      .record({
        scheme: fc.constantFrom(...(Object.keys(SCHEMES) as (keyof typeof SCHEMES)[])),
        host,
        port: fc.integer({ min: 1, max: 65_535 }),
        user: fc.option(fc.stringMatching(/^[A-Za-z0-9@:/ _%-]{1,10}$/), { nil: undefined }),
      })
      .map(({ user, ...rest }) => ({ kind: 'url' as const, ...rest, ...(user === undefined ? {} : { user }) })),
  ),
  withDatabase(fc.record({ kind: fc.constant('docker' as const), name: word })),
  withDatabase(fc.record({ kind: fc.constant('docker-label' as const), label: word, value: word })),
  withDatabase(fc.record({ kind: fc.constant('compose' as const), project: word, service: word })),
  withDatabase(
    fc.record({
      kind: fc.constant('k8s-owner' as const),
      namespace: word,
      owner: fc.constantFrom('sts', 'deploy', 'rs'),
      name: word,
    }),
  ),
  withDatabase(
    fc
      .record({
        namespace: word,
        pod: word.filter((it) => !['sts', 'deploy', 'rs'].includes(it)),
        container: fc.option(word, { nil: undefined }),
      })
      .map(({ container, ...rest }) => ({
        kind: 'k8s-pod' as const,
        ...rest,
        ...(container === undefined ? {} : { container }),
      })),
  ),
  withDatabase(fc.record({ kind: fc.constant('k8s-selector' as const), namespace: word, selector: word })),
);

describe('START-9: references', () => {
  test('what is written is read back unchanged', () => {
    fc.assert(
      fc.property(refs, (ref) => {
        expect(parseRef(formatRef(ref))).toEqual(ref);
      }),
      { numRuns: 1000 },
    );
  });

  test('the name of a source is safe as the name of a file', () => {
    fc.assert(
      fc.property(refs, (ref) => {
        expect(nameOfRef(ref)).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      }),
      { numRuns: 1000 },
    );
  });

  test('whatever is typed is read, or refused as a reference', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseRef(text);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ref-/) });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['docker:shop-pg', { kind: 'docker', name: 'shop-pg' }],
    ['docker:?app=shop', { kind: 'docker-label', label: 'app', value: 'shop' }],
    ['compose:shop/postgres', { kind: 'compose', project: 'shop', service: 'postgres' }],
    ['k8s:prod/sts/pg', { kind: 'k8s-owner', namespace: 'prod', owner: 'sts', name: 'pg' }],
    ['k8s:prod/pg-0/server', { kind: 'k8s-pod', namespace: 'prod', pod: 'pg-0', container: 'server' }],
    ['k8s:prod?app=shop,tier=db', { kind: 'k8s-selector', namespace: 'prod', selector: 'app=shop,tier=db' }],
    ['postgresql://db', { kind: 'url', scheme: 'postgres', host: 'db', port: 5432 }],
    ['postgres://[::1]:5433#orders', { kind: 'url', scheme: 'postgres', host: '::1', port: 5433, database: 'orders' }],
  ])('%s', (text, ref) => {
    expect(parseRef(text)).toEqual(ref);
  });

  test.each([
    '',
    'shop',
    'docker:',
    'docker:?app',
    'compose:shop',
    'k8s:prod',
    'ftp://host',
    'postgres://',
    'x:y',
    'docker:a#',
  ])('%o is refused with an example', (text) => {
    expect(() => parseRef(text)).toThrow(/is not a reference/);
  });

  test('a password is refused, and not repeated', () => {
    expect(() => parseRef('postgres://u:hunter2@host')).toThrow(
      expect.objectContaining({ code: 'ref-password', message: expect.not.stringContaining('hunter2') }),
    );
  });

  test('a path is not a database: the # is named', () => {
    expect(() => parseRef('postgres://host/orders')).toThrow('#orders');
  });
});
