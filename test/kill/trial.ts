import type { Line } from '../support/cli.ts';
import type { Arena } from './arena.ts';
import type { Death } from './deaths.ts';

/** What happened when a run met a death at one moment. */
export interface Trial {
  readonly death: string;
  readonly at: string;
  /** How the run ended: `exit 7`, `SIGKILL`. */
  readonly ended: string;
  /** Until the writers went on, by server; milliseconds from the death. */
  readonly waited: Readonly<Record<string, number>>;
  /** Leftovers that `recover` named, and removed. */
  readonly found: number;
  readonly removed: number;
  /** Everything that is not as it must be, in words. */
  readonly problems: readonly string[];
}

/** Names a moment of a run: `step slot`, `stored pg.base.tar`, `held postgres`. */
export const moment = (line: Line): string =>
  [line.event, line.source, line.step ?? line.artifact].filter((it) => it !== undefined).join(' ');

/** Moments at which the backup has been made. */
const AFTER = ['saved', 'result'];

/** Every moment of a healthy run, in order. */
export async function momentsOf(arena: Arena): Promise<readonly string[]> {
  const whole = await arena.run(['backup', 'bank']);
  if (whole.code !== 0) throw new Error(whole.stderr);
  return [...new Set(whole.lines.map(moment))].filter((it) => !it.startsWith('progress'));
}

export async function tryDeath(arena: Arena, death: Death, at: string): Promise<Trial> {
  await arena.emptyStore();
  await death.arm?.(arena);
  const problems: string[] = [];
  const waited: Record<string, number> = {};
  let run: unknown;
  let pid = 0;
  const struck = Promise.withResolvers<void>();
  const running = arena.run(['backup', 'bank'], (line, its) => {
    run ??= line.event === 'started' ? line.id : undefined;
    if (moment(line) !== at || pid !== 0) return;
    pid = its;
    death.strike(arena, pid).then(struck.resolve, struck.reject);
  });
  // A moment that this run does not come by is no trial.
  await Promise.race([struck.promise, running]);
  if (pid === 0) {
    const { code, stderr, lines } = await running;
    return {
      death: death.name,
      at,
      ended: `exit ${code}`,
      waited,
      found: 0,
      removed: 0,
      problems: [`it was never ${at}: ${stderr}${JSON.stringify(lines.at(-1))}`],
    };
  }
  await struck.promise;
  await Promise.all(
    (['postgres', 'mariadb'] as const).map(async (name) => {
      const limit = death.within[name];
      if (limit === undefined) return;
      await arena.tickers[name].progress(limit).then(
        (millis) => {
          waited[name] = millis;
        },
        (cause: Error) => void problems.push(cause.message),
      );
    }),
  );
  await death.mend(arena, pid);
  const { code, signal, lines } = await running;
  const saved = code === 0;
  if (death.kills && code !== 0 && signal !== 'SIGKILL') problems.push(`it ended with exit ${code}`);
  if (!death.kills && code !== 0 && code !== 7 && code !== 5)
    problems.push(`it ended with ${signal ?? `exit ${code}`}: ${JSON.stringify(lines.at(-1))}`);

  if (death.fails && saved && !AFTER.includes(at)) problems.push('it made its backup all the same');

  const whole = await arena.listed();
  // Killed between its last act and its end, a run has made its backup all the same.
  if (whole > 1 || (saved && whole !== 1)) problems.push(`${whole} backups are listed`);
  if (whole === 1) {
    const check = await arena.run(['check', 'latest', '--from', 'local']);
    if (check.code !== 0) problems.push(`what is listed is not whole: ${check.stderr}`);
  }
  const of = (lines: readonly Line[], event: string): number =>
    lines.filter((it) => it.event === event && it.run === run).length;
  const recovered = await arena.run(['recover']);
  const found = of(recovered.lines, 'found');
  const removed = of(recovered.lines, 'removed');
  if (recovered.code !== 0) problems.push(`recover ended with exit ${recovered.code}: ${recovered.stderr}`);
  if (removed !== found) problems.push(`${found} leftovers found, ${removed} removed`);
  const again = of((await arena.run(['recover'])).lines, 'found');
  if (again > 0) problems.push(`${again} leftovers are found once more`);
  const left = await arena.left();
  if (left.length > 0) problems.push(`left on the servers: ${left.join(', ')}`);
  const next = await arena.run(['backup', 'bank']);
  if (next.code !== 0) problems.push(`the next run ended with exit ${next.code}: ${next.stderr}`);
  if ((await arena.listed()) !== whole + 1) problems.push('the next run is not listed');
  return { death: death.name, at, ended: signal ?? `exit ${code}`, waited, found, removed, problems };
}
