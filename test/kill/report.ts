import { millis } from '../../src/output/format.ts';
import type { Trial } from './trial.ts';

/** The page docs/kills.md: what was done to a run at each of its moments, and what became of it. */
export function report(trials: readonly Trial[], about: string): string {
  const deaths = [...new Set(trials.map((it) => it.death))];
  const moments = [...new Set(trials.map((it) => it.at))];
  const cell = (death: string, at: string): string => {
    const trial = trials.find((it) => it.death === death && it.at === at);
    if (!trial) return '';
    if (trial.problems.length > 0) return '**failed**';
    const longest = Math.max(0, ...Object.values(trial.waited));
    return `${millis(longest)}; ${trial.ended}${trial.found > 0 ? `; ${trial.removed} removed` : ''}`;
  };
  const failed = trials.filter((it) => it.problems.length > 0);
  return [
    '# What becomes of a run that something happens to',
    '',
    'Written by `npm run kills`. One job backs a PostgreSQL and a MariaDB up at one instant, under writers; at each event that',
    'it emits, one thing goes wrong. A cell says how long the writers of the servers that live had to wait from then on, how',
    'the run ended, and how many leftovers `recover` named and removed. Every trial then demands: writers go on within 2 s',
    '(within the hold limit of 3 s and 2 s more where the runner is stopped), nothing half-made is listed, what is listed',
    'passes `check`, a second `recover` finds nothing, nothing of ours is left on the servers, and the next run succeeds.',
    '',
    about,
    '',
    `${trials.length} trials, ${failed.length} failed.`,
    '',
    `| at | ${deaths.join(' | ')} |`,
    `|---|${deaths.map(() => '---').join('|')}|`,
    ...moments.map((at) => `| ${at} | ${deaths.map((death) => cell(death, at)).join(' | ')} |`),
    ...failed.map((it) => `\n- ${it.death} at ${it.at}: ${it.problems.join('; ')}`),
    '',
  ].join('\n');
}
