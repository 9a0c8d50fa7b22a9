import type { BackupLine } from '../../model/manifest.ts';
import { age, bytes, type Column, clip, listed, millis, plural, table, titled, when, wrap } from '../format.ts';
import type { Look } from '../look.ts';
import type { Listing } from '../results.ts';

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'WHEN' },
  { title: 'SOURCES' },
  { title: 'LEVEL' },
  { title: 'VERIFIED' },
  { title: 'HELD', right: true },
  { title: 'SIZE', right: true },
];

/** Newest first under the name of its job, which may be long: a column for it would not fit. */
export function listText(listing: Listing, look: Look): readonly string[] {
  const { backups, damaged, repository, encrypted } = listing;
  const lines: string[] = [];
  if (backups.length === 0) lines.push(`No backups in ${repository}.`);
  else {
    const [head = '', ...rows] = table(
      COLUMNS,
      backups.map((it) => row(it, look.now())),
    );
    lines.push(head);
    const jobs = new Map<string, string[]>();
    for (const [at, backup] of backups.entries()) {
      const of = jobs.get(backup.job) ?? [];
      jobs.set(backup.job, of);
      of.push(coloured(backup, rows[at] ?? '', look));
    }
    for (const [job, of] of jobs) lines.push('', `job ${look.paint.bold(job)}`, ...of);
    const stored = bytes(backups.reduce((sum, it) => sum + it.storedBytes, 0));
    lines.push(
      '',
      `${plural(backups.length, 'backup')}, ${stored}, in ${repository} (${encrypted ? '' : 'not '}encrypted).`,
    );
  }
  if (backups.some((it) => it.pinned)) lines.push('* pinned: never removed by retention');
  lines.push(...elsewhereText(listing, look));
  for (const one of damaged) lines.push(...wrap(look.paint.red(`DAMAGED ${one.where}: ${one.text}`), look.width, '  '));
  return lines;
}

/** Where else each backup is: for each further repository the ones that it lacks, which are usually few. */
function elsewhereText({ backups, elsewhere, rules }: Listing, look: Look): readonly string[] {
  const lines = elsewhere.flatMap(({ repository, holds, problem }) => {
    if (problem !== undefined)
      return wrap(look.paint.red(`Also in ${repository}: not known: ${problem}`), look.width, '  ');
    const missing = backups.filter((it) => !holds.includes(it.id)).map((it) => it.id);
    const which =
      missing.length === 0
        ? 'all of them'
        : holds.length === 0
          ? 'none of them'
          : `${holds.length}, not ${listed(missing)}`;
    return wrap(`Also in ${repository}: ${which}.`, look.width, '  ');
  });
  for (const { job, text } of rules) lines.push(...wrap(`job ${job}: ${text}`, look.width, '  '));
  return lines;
}

function row(backup: BackupLine, now: number): readonly string[] {
  return [
    backup.pinned ? `${backup.id}*` : backup.id,
    when(backup.at),
    clip(engines(backup), 14),
    backup.level,
    verified(backup, now),
    backup.heldMillis === undefined ? '-' : millis(backup.heldMillis),
    bytes(backup.storedBytes),
  ];
}

function engines(backup: BackupLine): string {
  const [one, ...others] = backup.sources;
  if (one && others.length === 0) return titled(one.engine);
  const names = [...new Set(backup.sources.map((it) => titled(it.engine)))];
  return names.length === 1 ? (names[0] ?? '') : `${names[0]} +${names.length - 1}`;
}

function verified({ verification }: BackupLine, now: number): string {
  if (!verification) return 'never';
  return verification.good ? age(verification.at, now) : 'DIFFERS';
}

const coloured = (backup: BackupLine, line: string, look: Look): string =>
  backup.verification && !backup.verification.good ? look.paint.red(line) : line;
