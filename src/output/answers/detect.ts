import type { Offer } from '../../model/facts.ts';
import type { Detected, Found } from '../detected.ts';
import { bytes, millis, plural, table, wrap } from '../format.ts';
import type { Look } from '../look.ts';

const COLUMNS = [
  { title: 'SOURCE' },
  { title: 'ENGINE' },
  { title: 'DATA', right: true },
  { title: 'ON' },
  { title: 'METHOD' },
  { title: 'CONSISTENCY' },
];

export function detectText(detected: Detected, look: Look): readonly string[] {
  const { instances, skipped, unseen } = detected;
  const said = [
    ...instances.map((it) => [nameOf(it.ref), remarks(it)] as const),
    ...unseen.map(({ where, why }) => [where, [`not looked at: ${why}`]] as const),
  ].filter(([, remarks]) => remarks.length > 0);
  return [
    ...(instances.length === 0 ? [] : [...tableOf(instances, look), '']),
    ...(said.length === 0 ? [] : [...hanging(said, look), '']),
    ...(skipped.length === 0
      ? []
      : [
          ...hanging(
            skipped.map(({ ref, why }) => [nameOf(ref), [why]] as const),
            look,
          ),
          '',
        ]),
    counted(detected),
  ];
}

/** A reference is there to be copied: one that would make the table too wide stands whole on a line of its own. */
function tableOf(instances: readonly Found[], look: Look): readonly string[] {
  const rows = instances.map(row);
  const [head = ''] = table(COLUMNS, rows);
  const widest = Math.max(...rows.map(([ref = '']) => ref.length));
  const most = widest - Math.max(0, head.length - look.width);
  const fitting = rows.map(([ref = '', ...rest]) => [ref.length > most ? '' : ref, ...rest]);
  const [title = '', ...lines] = table(COLUMNS, fitting);
  return [title, ...lines.flatMap((line, at) => (fitting[at]?.[0] === '' ? [rows[at]?.[0] ?? '', line] : [line]))];
}

function row(found: Found): readonly string[] {
  const best = found.offers.find((it) => it.possible);
  const version = found.facts?.version ?? found.version;
  return [
    found.ref,
    `${found.title}${version === undefined ? '' : ` ${version}`}`,
    found.facts ? bytes(found.facts.dataBytes) : '?',
    on(found),
    best?.method ?? '-',
    best?.level ?? (found.problem ? (PROBLEMS[found.problem.code] ?? found.problem.code) : 'none possible'),
  ];
}

const PROBLEMS: Readonly<Record<string, string>> = {
  'login-refused': 'cannot log in',
  unreachable: 'no answer',
};

/** The file system, or with an exclamation mark what loses the data with the container. */
function on({ storage: [data] }: Found): string {
  if (data?.kind === 'layer') return 'container!';
  if (data?.kind === 'tmpfs') return 'memory!';
  return data?.fileSystem ?? '?';
}

/** What stands in the way of better, in the words of whoever found it; and what threatens the data as it is. */
function remarks(found: Found): readonly string[] {
  const { problem, offers, storage, ref } = found;
  const best = offers.findIndex((it) => it.possible);
  const better = best < 0 ? offers : offers.slice(0, best);
  const [data] = storage;
  const elsewhere = storage.filter((it) => it.id !== data?.id);
  return [
    ...(problem ? [`${withoutRef(problem.message, ref)} ${sentence(problem.next)}`] : []),
    ...better.map((it) => `${it.method} is not possible: ${reasons(it)}.`),
    ...(data ? fate('Its data', data) : []),
    ...elsewhere.flatMap((it) => [`${it.path} is on another volume (${it.fileSystem}).`, ...fate('It', it)]),
  ];
}

function fate(what: string, { kind }: Found['storage'][number]): readonly string[] {
  if (kind === 'layer') return [`${what} is in the container's own layer: \`docker rm\` deletes it.`];
  return kind === 'tmpfs' ? [`${what} is in memory: when the container stops it is gone.`] : [];
}

const reasons = (offer: Offer): string => offer.reasons.map((it) => it.text).join('; ');

/** `docker:shop-pg` is called `shop-pg` where it is clear what is meant. */
const nameOf = (ref: string): string => ref.replace(/^(docker|compose):/, '');

/** The line begins with its name already. */
const withoutRef = (message: string, ref: string): string =>
  message.startsWith(`${ref} `) ? message.slice(ref.length + 1) : message;

const sentence = (text: string): string => (/[.?]$/.test(text) ? text : `${text}.`);

/** Names in a column, what is said of each beside it; a long name has it below. */
function hanging(items: readonly (readonly [string, readonly string[]])[], look: Look): readonly string[] {
  const widest = Math.max(...items.map(([name]) => name.length).filter((it) => it <= LONGEST_NAME), 0);
  const indent = ' '.repeat(widest + 2);
  return items.flatMap(([name, said]) => {
    const [first = '', ...rest] = wrap(`${indent}${said.join(' ')}`, look.width, indent);
    return name.length > widest
      ? [`${name}:`, first, ...rest]
      : [`${`${name}:`.padEnd(indent.length)}${first.slice(indent.length)}`, ...rest];
  });
}

const LONGEST_NAME = 16;

/** `4 databases in 23 containers, 0.8 s; 19 without one (--all says why).` */
function counted({ instances, looked, skipped, millis: took }: Detected): string {
  const inContainers = instances.filter((it) => !it.ref.includes('://')).length;
  const here = instances.length - inContainers;
  const places = [
    ...(looked.containers > 0 ? [`in ${plural(looked.containers, 'container')}`] : []),
    ...(here > 0 || looked.containers === 0 ? ['on this host'] : []),
  ];
  const without =
    looked.containersWithout === 0
      ? ''
      : `; ${looked.containersWithout} without one${skipped.length > 0 ? '' : ' (--all says why)'}`;
  return `${plural(instances.length, 'database')} ${places.join(' and ')}, ${millis(took)}${without}.`;
}
