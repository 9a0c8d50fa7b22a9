import { bytes, millis, plural, table, wrap } from '../format.ts';
import type { Look } from '../look.ts';
import type { Detected } from '../results.ts';

const COLUMNS = [
  { title: 'SOURCE' },
  { title: 'ENGINE' },
  { title: 'DATA', right: true },
  { title: 'ON' },
  { title: 'METHOD' },
  { title: 'CONSISTENCY' },
];

export function detectText(detected: Detected, look: Look): readonly string[] {
  const { instances, skipped } = detected;
  const rows = instances.map((it) => {
    const best = it.offers.find((offer) => offer.possible);
    const version = it.facts?.version ?? it.version;
    return [
      it.ref,
      `${it.title}${version === undefined ? '' : ` ${version}`}`,
      it.facts ? bytes(it.facts.dataBytes) : '?',
      it.fileSystem ?? '?',
      best?.method ?? '-',
      best?.level ?? (it.problem ? (PROBLEMS[it.problem.code] ?? it.problem.code) : 'none possible'),
    ];
  });
  const many = instances.length === 1 ? '1 database server' : `${instances.length} database servers`;
  return [
    ...(instances.length === 0 ? [] : [...table(COLUMNS, rows), '']),
    ...detected.instances.flatMap((it) => notes(it, look)),
    ...skipped.flatMap((it) => wrap(`${it.ref}: ${it.why}`, look.width, '  ')),
    `${many} on this host, ${plural(detected.looked, 'process', 'processes')} looked at, ${millis(detected.millis)}.`,
  ];
}

const PROBLEMS: Readonly<Record<string, string>> = {
  'login-refused': 'cannot log in',
  unreachable: 'no answer',
};

/** What stands in the way of better, in the words of whoever found it. */
function notes(instance: Detected['instances'][number], look: Look): readonly string[] {
  const { problem, offers, ref } = instance;
  if (problem) return [...wrap(`${ref}: ${problem.message} ${problem.next}`, look.width, '  '), ''];
  const lines = offers
    .filter((it) => !it.possible)
    .flatMap((it) => wrap(`${ref}: ${it.method} is not possible: ${reasons(it)}.`, look.width, '  '));
  return lines.length === 0 ? [] : [...lines, ''];
}

const reasons = (offer: Detected['instances'][number]['offers'][number]): string =>
  offer.reasons.map((it) => it.text).join('; ');
