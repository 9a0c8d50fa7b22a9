import { bytes, millis, plural, rate, table, when, wrap } from '../format.ts';
import type { Look } from '../look.ts';
import type { Bodies, Copied, Forgotten } from '../results.ts';

/** What the verbs say that decide which backups stay, and where. */

export function forgetText({ backups, dryRun, repository }: Forgotten, look: Look): readonly string[] {
  const gone = backups.filter((it) => !it.keep && it.failure === undefined);
  const stuck = backups.filter((it) => it.failure !== undefined);
  const lines: string[] = [];
  for (const [job, of] of Map.groupBy(backups, (it) => it.job)) {
    const rows = of.map((it) => [
      it.keep ? '' : dryRun ? 'would go' : 'removed',
      it.id,
      when(it.at),
      it.reasons.map((one) => one.text).join('; '),
    ]);
    lines.push(
      '',
      `job ${look.paint.bold(job)}`,
      ...table([{ title: '' }, { title: 'ID' }, { title: 'WHEN' }, { title: 'WHY' }], rows).slice(1),
    );
  }
  for (const one of stuck)
    lines.push(...wrap(`${look.paint.red('still there')} ${one.id}: ${one.failure}`, look.width, '  '));
  const kept = backups.length - gone.length - stuck.length;
  const went = dryRun ? `${gone.length} would be removed; nothing was` : `${gone.length} removed`;
  return [...lines, '', ...wrap(`${plural(kept, 'backup')} kept, ${went}, in ${repository}.`, look.width, '  ')];
}

export const pinText = ({ id, job, pinned }: Bodies['pin']): readonly string[] => [
  pinned
    ? `Pinned ${id} (job ${job}): retention never removes it.`
    : `${id} (job ${job}) is no longer pinned: the keep rules decide.`,
];

export function copyText({ id, to, copiedBytes, foundBytes, millis: took }: Copied, look: Look): readonly string[] {
  const before = foundBytes > 0 ? `, ${bytes(foundBytes)} of it was there already` : '';
  const speed = rate(copiedBytes, took);
  const text = `Copied ${id} to ${to}: ${bytes(copiedBytes + foundBytes)} in ${millis(took)}${speed === '' ? '' : `, ${speed}`}${before}. Every file was compared with its digest there.`;
  return wrap(text, look.width, '  ');
}
