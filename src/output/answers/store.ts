import { bytes, millis, plural, unsettled, wrap } from '../format.ts';
import type { Look } from '../look.ts';
import type { Checked, Recovered, Restored, Verified } from '../results.ts';
import { differencesText } from './show.ts';

/** What the verbs say that read a store back, and the one that clears up. */

export function checkText({ backups, damaged, repository, millis: took }: Checked, look: Look): readonly string[] {
  const bad = backups.filter((it) => it.damage.length > 0);
  const read = bytes(backups.reduce((sum, it) => sum + it.storedBytes, 0));
  const lines = bad.flatMap((it) => [
    `${look.paint.red('DAMAGED')} ${it.id} (job ${it.job})`,
    ...it.damage.flatMap((one) => wrap(`  ${one.file}: ${one.text}`, look.width, '    ')),
  ]);
  for (const one of damaged)
    lines.push(...wrap(`${look.paint.red('DAMAGED')} ${one.where}: ${one.text}`, look.width, '  '));
  const all = `${plural(backups.length, 'backup')}, ${read} re-read in ${millis(took)}, in ${repository}`;
  const good = lines.length === 0 ? 'every stored byte is as it was written' : `${bad.length + damaged.length} damaged`;
  return [...lines, ...wrap(`${all}: ${good}.`, look.width, '  ')];
}

export function verifyText({ id, verification }: Verified, look: Look): readonly string[] {
  const { good, level, millis: took, differences, compared } = verification;
  if (good) {
    const text = `${look.paint.green('Verified')} ${id} in ${millis(took)}: the restored copy is identical to what was captured.`;
    const rest = compared.unsettled ? ` Only ${unsettled(compared.unsettled)}: stillpoint show ${id}` : '';
    return ['', ...wrap(`${text} Level ${level}.${rest}`, look.width)];
  }
  const many = plural(differences.length, 'difference');
  const text = `${id} ${look.paint.red('DIFFERS')} from what was captured: ${many}. Do not rely on it.`;
  return ['', text, ...differencesText(verification, look), '  The source was not touched and writes flow.'];
}

export function restoreText({ id, restored }: Restored): readonly string[] {
  return [
    '',
    `Restored ${id}${saidOf(restored)}`,
    ...restored.map((it) => `  ${it.source}  ${it.ref ?? it.folder ?? ''}`),
  ];
}

function saidOf([first]: Restored['restored']): string {
  if (first?.folder !== undefined) return ' as files; no server was started and none was touched.';
  if (first?.runs === undefined) return ': each server recovered to its point and runs. No other was touched.';
  return first.runs ? ' into a running server; no other was touched.' : ' into a stopped server; no other was touched.';
}

export function recoverText({ found, removed, failed }: Recovered, look: Look): readonly string[] {
  if (found === 0 && failed.length === 0) return ['Nothing was left behind by earlier runs; writes flow.'];
  return [
    '',
    `${plural(found, 'leftover')} found, ${removed} removed.`,
    ...failed.flatMap((it) => wrap(`  ${look.paint.red('not done')}: ${it.message} ${it.next}`, look.width, '    ')),
  ];
}
