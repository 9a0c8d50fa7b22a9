import { chmod } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Answer } from '../../src/output/results.ts';
import { answerSchemas } from '../../src/output/schema/answers.ts';
import { lineSchema } from '../../src/output/schema/events.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { makeFolder, stillpoint } from '../support/cli.ts';
import { terminal } from '../unit/output/terminal.ts';
import { PROJECT } from './tree.ts';

describe('START-9: the real thing on a terminal, and as documents', () => {
  let server: Embedded;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let env: Record<string, string>;
  let repository: string;

  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'] });
    await server.query(
      'CREATE TABLE orders AS SELECT g AS id, md5(g::text) AS note FROM generate_series(1, 200000) g',
      [],
      'shop',
    );
    folder = await makeFolder();
    // The throwaway server's user passes through it.
    await chmod(folder.path, 0o755);
    repository = folder.in('repository');
    env = {
      STILLPOINT_USER: server.user,
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
    };
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  /** Both outputs as they pass through a terminal of 80 columns. */
  async function onTerminal(line: string): Promise<string> {
    const command = `stty cols 80 rows 40; ${process.execPath} ${PROJECT}/src/cli.ts ${line}`;
    const { stdout } = await execa('script', ['-qec', command, '/dev/null'], { env, cwd: folder.path });
    return stdout.replaceAll('\r', '');
  }

  test('a backup is redrawn in place and leaves the finished lines', async () => {
    const raw = await onTerminal(`backup ${server.url} --to repository`);
    expect(raw).toContain('\u001b[');
    const shown = terminal();
    shown.write(`${raw}\n`);
    const rows = shown.rows().map((it) => stripVTControlCharacters(it));
    expect(rows.filter((it) => it.startsWith('  base'))).toHaveLength(1);
    expect(rows.find((it) => it.startsWith('  base'))).toMatch(/#+ {2}100% +\d/);
    expect(rows.find((it) => it.startsWith('  held'))).toMatch(/^ {2}held +\|=+\| +[\d.]+ ms$/);
    expect(rows.find((it) => it.startsWith('  resumed'))).toMatch(/writes flow; held [\d.]+ ms$/);
    expect(rows.some((it) => it.includes('...') || it.includes('writes wait'))).toBe(false);
    expect(rows.filter((it) => it.length > 80 && !it.includes('Next: stillpoint'))).toEqual([]);
    expect(rows.at(-1)).toMatch(/Next: stillpoint verify \w{8} --from repository$/);
  });

  test('--no-color and NO_COLOR: no colours on a terminal either', async () => {
    const lines = [`list --from repository --no-color`, 'list --from repository'];
    const [plain, coloured] = await Promise.all(lines.map(onTerminal));
    expect(plain).not.toContain('\u001b[');
    expect(coloured).toContain('\u001b[');
  });

  test.each<readonly [Answer, string]>([
    ['plan', 'plan URL'],
    ['plan', 'backup URL --to REPO -n'],
    ['backup', 'backup URL --to REPO'],
    ['list', 'list --from REPO'],
    ['show', 'show latest --from REPO'],
    ['show commands', 'show latest --from REPO --commands'],
    ['check', 'check --from REPO'],
    ['verify', 'verify latest --from REPO'],
    ['restore', 'restore latest --from REPO --files OUT'],
    ['recover', 'recover URL --from REPO'],
    ['detect', 'detect'],
    ['recipe list', 'recipe list'],
    ['recipe show', 'recipe show postgresql'],
    ['recipe grants', 'recipe show postgresql --grants'],
  ])('%s: the document of %s, and every line of its events, follow their schemas', async (answer, line) => {
    const at = (format: string): string[] =>
      `${line} -o ${format}`
        .replace('URL', server.url)
        .replace('REPO', repository)
        .replace('OUT', folder.in(`out-${format}`))
        .split(' ');
    const json = await stillpoint(at('json'), { env, cwd: folder.path });
    expect(json.code, json.stderr).toBe(0);
    answerSchemas[answer].parse(JSON.parse(json.stdout));
    const ndjson = await stillpoint(at('ndjson'), { env, cwd: folder.path });
    expect({ code: ndjson.code, stderr: ndjson.stderr }).toEqual({ code: 0, stderr: '' });
    const lines = ndjson.stdout
      .trim()
      .split('\n')
      .map((it) => lineSchema.parse(JSON.parse(it)));
    const last = lines.at(-1);
    expect(last).toMatchObject({ event: 'result', answer });
    answerSchemas[answer].parse(last?.event === 'result' ? last.body : undefined);
  });
});
