import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Plan } from '../../src/model/plan.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { type Finished, type Line, makeFolder, stillpoint } from '../support/cli.ts';
import { until } from '../support/containers.ts';
import { type Ledger, startLedger } from '../support/ledger.ts';

type Hook =
  | readonly string[]
  | { readonly run: readonly string[]; readonly timeout?: string; readonly drains?: boolean };
type Hooks = Readonly<Partial<Record<'before' | 'held' | 'after' | 'failed', readonly Hook[]>>>;

describe('hooks', () => {
  let server: Embedded;
  let ledger: Ledger;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await startEmbedded({ databases: ['shop'] });
    ledger = await startLedger(server.login('shop'));
    folder = await makeFolder();
    env = {
      STILLPOINT_USER: server.user,
      STILLPOINT_PASSWORD_FILE: server.passwordFile,
      STILLPOINT_STATE: folder.in('state'),
      STILLPOINT_SCRATCH: folder.in('scratch'),
      DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      GREETING: 'hello',
    };
    // Notes who it is and what it was given; then waits, in a child of its own, if it is told to.
    await writeFile(
      folder.in('note'),
      `#!/bin/sh
echo "$STILLPOINT_HOOK $STILLPOINT_HOOK_JOB \${#STILLPOINT_HOOK_ID} $GREETING \${STILLPOINT_PASSWORD_FILE-none} \${STILLPOINT_HOOK_RESULT-} \${STILLPOINT_HOOK_ERROR-} $1" >> ${folder.in('notes')}
if [ -n "$2" ]; then sleep "$2" & echo $! > ${folder.in('child')}; trap '' TERM; wait; sleep "$2"; fi
exit \${3:-0}
`,
      { mode: 0o755 },
    );
  });
  afterAll(async () => {
    await ledger?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  beforeEach(() => writeFile(folder.in('notes'), ''));

  const note = (...args: string[]): readonly string[] => [folder.in('note'), ...args];
  const notes = async (): Promise<readonly string[]> => (await readFile(folder.in('notes'), 'utf8')).trim().split('\n');
  /** The moments and arguments that were noted. */
  const moments = async (): Promise<readonly string[]> =>
    (await notes()).map((it) => `${it.split(' ')[0]} ${it.split(' ').at(-1)}`.trim());
  const backup = async (hooks: Hooks, onLine?: (line: Line, pid: number) => void, hold = '5s'): Promise<Finished> => {
    const job = { sources: { pg: server.url }, hold, repository: 'local', hooks };
    const config = { repositories: { local: { directory: folder.in('repository') } }, jobs: { shop: job } };
    await writeFile(folder.in('stillpoint.yaml'), JSON.stringify(config));
    const args = ['backup', 'shop', '-c', folder.in('stillpoint.yaml'), '-o', 'ndjson'];
    return stillpoint(args, { env, ...(onLine === undefined ? {} : { onLine }) });
  };
  const told = ({ lines }: Finished): readonly string[] =>
    lines.flatMap(({ event, hook }) => {
      if (event === 'hook') return [`hook ${hook}`];
      return ['held', 'cut', 'resumed', 'saved', 'failed'].includes(event) ? [event] : [];
    });
  const childIsGone = async (): Promise<boolean> => {
    const pid = Number(await readFile(folder.in('child'), 'utf8'));
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return stat === '' || stat.includes(') Z ');
  };

  test('CUT-9 before the window, in the hold, and after it: each once, with its job and id, as an argv and never a shell string', async () => {
    const literal = '$(touch_nothing);`x`';
    const run = await backup({
      before: [{ run: note(literal), drains: true }],
      held: [note('h')],
      after: [note('a')],
      failed: [note('f')],
    });
    expect(run.code, run.stderr).toBe(0);
    expect(told(run)).toEqual(['hook before', 'held', 'hook held', 'cut', 'resumed', 'hook after', 'saved']);
    expect(await notes()).toEqual([
      `before shop 8 hello none   ${literal}`,
      'held shop 8 hello none   h',
      'after shop 8 hello none cut  a',
    ]);
    expect(run.lines.at(-1)?.body).toMatchObject({ drained: { by: ['note'] } });
  });

  test('CUT-9 plan says when each hook will run, and runs none', async () => {
    const hooks = { before: [note('b')], held: [note('h')], after: [note('a')] };
    const job = { sources: { pg: server.url }, repository: 'local', hooks };
    const config = { repositories: { local: { directory: folder.in('repository') } }, jobs: { shop: job } };
    await writeFile(folder.in('stillpoint.yaml'), JSON.stringify(config));
    const { stdout } = await stillpoint(['plan', 'shop', '-c', folder.in('stillpoint.yaml'), '-o', 'json'], { env });
    const steps = (JSON.parse(stdout) as Plan).steps.filter((it) => it.what.includes(folder.in('note')));
    expect(steps.map((it) => `${it.phase} ${it.what.split(':')[0]} ${it.limit}`)).toEqual([
      'prepare right before the window 30000',
      'window when all is held and flushed 30000',
      'finish as soon as writes flow 30000',
    ]);
    expect(await notes()).toEqual(['']);
  });

  test('CUT-9 drained only when a hook acknowledged: not by one that does not say that it drains', async () => {
    const run = await backup({ before: [note('b')] });
    expect(run.code, run.stderr).toBe(0);
    expect(run.lines.at(-1)?.body).not.toHaveProperty('drained');
  });

  test('CUT-9 a hook that lasts is killed at its time-out with everything it started; after and failed run, nothing was held', async () => {
    const run = await backup({
      before: [{ run: note('slow', '300'), timeout: '500ms' }, note('never')],
      after: [note('a', '', '3'), note('a2')],
      failed: [note('f')],
    });
    expect(run.code).toBe(7);
    expect(run.lines.at(-1)).toMatchObject({
      event: 'failed',
      code: 'hook-failed',
      message: expect.stringMatching(/before hook note failed: it did not end within 500 ms/),
    });
    await until(childIsGone, 1_000);
    expect(await moments()).toEqual(['before slow', 'after a', 'after a2', 'failed f']);
    expect(told(run)).not.toContain('held');
    expect((await notes()).at(-1)).toContain('failed hook-failed f');
  });

  test('CUT-9 in the hold a hook gets no more than the hold has left, and writes flow in time', async () => {
    ledger.longestGap();
    const run = await backup(
      { held: [{ run: note('slow', '300'), timeout: '1h' }], after: [note('a')] },
      undefined,
      '2s',
    );
    expect(ledger.longestGap()).toBeLessThan(2_500);
    expect(run.code).toBe(7);
    expect(run.lines.at(-1)).toMatchObject({ code: 'hook-failed' });
    await until(childIsGone, 1_000);
    expect(await moments()).toEqual(['held slow', 'after a']);
    await ledger.progress(2_000);
  });

  test('CUT-9 Ctrl-C ends the hook that runs, and after runs all the same', async () => {
    const run = await backup({ before: [note('slow', '300')], after: [note('a')] }, ({ event, step }, pid) => {
      if (event !== 'step' || step !== 'window-sessions') return;
      void until(async () => (await moments()).includes('before slow')).then(() => process.kill(pid, 'SIGINT'));
    });
    expect(run.code).toBe(130);
    await until(childIsGone, 1_000);
    expect(await moments()).toEqual(['before slow', 'after a']);
  });

  test('CUT-9 an after hook that fails is a failure although the backup is whole, and says so', async () => {
    const run = await backup({ after: [note('a', '', '3'), note('a2')] });
    expect(run.code).toBe(7);
    expect(run.lines.at(-1)).toMatchObject({
      code: 'hook-failed',
      message: expect.stringContaining('exit status 3'),
      meaning: expect.stringMatching(/is stored and whole/),
    });
    expect(told(run)).toContain('saved');
    expect(await moments()).toEqual(['after a', 'after a2']);
  });

  test('CUT-9 CUT-6 a run that is killed runs no hook any more; recover says which ones it owes', async () => {
    const run = await backup({ before: [note('b')], after: [note('a')] }, ({ event }, pid) => {
      if (event === 'held') process.kill(pid, 'SIGKILL');
    });
    expect(run.signal).toBe('SIGKILL');
    await sleep(200);
    expect(await moments()).toEqual(['before b']);
    const recovered = await stillpoint(['recover', '-c', folder.in('stillpoint.yaml'), '-o', 'ndjson'], { env });
    const reason = expect.objectContaining({
      code: 'hooks-owed',
      text: expect.stringMatching(/after hooks ran \(note\)/),
    });
    expect(recovered.lines).toContainEqual(expect.objectContaining({ event: 'warning', reason }));
  });
});
