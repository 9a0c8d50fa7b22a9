import type { Manifest, SourceRecord, Verification, WindowRecord } from '../../model/manifest.ts';
import type { Interval } from '../../model/time.ts';
import { bytes, millis, plural, titled, unsettled, when, wrap } from '../format.ts';
import type { Look } from '../look.ts';
import type { ByHand, Shown } from '../results.ts';
import { drawWindow, type Span } from '../window.ts';

const LEFT = 11;
/** Codes of the reasons for which a source goes unheld. */
const UNHELD: ReadonlySet<string> = new Set(['one-unheld', 'unholdable', 'not-held']);

export function showText({ manifest, verifications, repository }: Shown, look: Look): readonly string[] {
  const took = millis(Date.parse(manifest.ended) - Date.parse(manifest.started));
  const head = `${look.paint.bold(manifest.id)}: job ${manifest.job}, ${when(manifest.started)}, ${took}, in ${repository}`;
  return [
    ...wrap(head, look.width, '  '),
    ...manifest.sources.flatMap((it) => ['', ...sourceText(it, look)]),
    ...field('kept', manifest.snapshots ?? [], look),
    ...windowText(manifest),
    ...drainedText(manifest),
    '',
    ...verificationText(verifications, look),
  ];
}

function sourceText(source: SourceRecord, look: Look): readonly string[] {
  const of = source.database === undefined ? '' : `, database ${source.database}`;
  const names = source.artifacts.map((it) => it.name.length);
  const artifacts = source.artifacts.map(
    (it) =>
      `${it.name.padEnd(Math.max(...names))}  ${bytes(it.plainBytes).padStart(5)} -> ${bytes(it.storedBytes).padStart(5)}`,
  );
  return [
    ...wrap(
      `${look.paint.bold(source.name)}: ${titled(source.engine)} ${source.version} by ${source.method}${of}`,
      look.width,
      '  ',
    ),
    ...field('from', [source.ref], look),
    ...field('level', [`${source.level}, claimed`, ...source.reasons.map((it) => it.text)], look),
    ...field('cut', [source.position.text], look),
    ...field(
      'excluded',
      source.excluded.map((it) => it.text),
      look,
    ),
    ...field('stored', artifacts, look),
  ];
}

/** A word on the left, and what it is, one thing a line. */
function field(label: string, values: readonly string[], look: Look): readonly string[] {
  return values
    .flatMap((it) => wrap(it, look.width - LEFT - 2, '  '))
    .map((it, at) => `  ${(at === 0 ? label : '').padEnd(LEFT)}${it}`);
}

function windowText(manifest: Manifest): readonly string[] {
  const { window, sources, coordination } = manifest;
  if (!window) return [];
  const names = sources.map((it) => it.name);
  const lines = drawWindow({ ...spans(window), unheld: unheldOf(manifest) }, names, LEFT);
  if (names.length < 2) return ['', ...lines];
  const reasons = coordination.reasons.map((it) => it.text);
  const instant = coordination.claimed ? 'yes' : `no, up to ${millis(coordination.skew)} apart`;
  return ['', ...lines, `  one instant: ${[instant, ...reasons].join('; ')}`];
}

/** Why a source was not held: as its plan says, or because it could not be. */
function unheldOf({ sources }: Manifest): Readonly<Record<string, string>> {
  const why = sources.map(({ name, reasons }) => [name, reasons.find((it) => UNHELD.has(it.code))?.text] as const);
  return Object.fromEntries(why.flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])));
}

function drainedText({ drained }: Manifest): readonly string[] {
  return drained ? [`  drained: acknowledged before the window by ${drained.by.join(', ')}`] : [];
}

/** Monotonic times, moved so that the window begins at 0. */
function spans(window: WindowRecord): { held: Record<string, Span>; cut: Record<string, Span> } {
  const held = Object.entries(window.held).map(([name, it]) => [name, it.held] as const);
  const cut = Object.entries(window.cut);
  const zero = Math.min(...[...held, ...cut].map(([, it]) => it.start));
  const moved = (all: readonly (readonly [string, Interval])[]): Record<string, Span> =>
    Object.fromEntries(all.map(([name, it]) => [name, { from: it.start - zero, to: it.end - zero }]));
  return { held: moved(held), cut: moved(cut) };
}

function verificationText(verifications: readonly Verification[], look: Look): readonly string[] {
  if (verifications.length === 0) return ['Never verified: what it holds is claimed, not shown.'];
  return verifications.flatMap((it) => {
    const { tables, rows, objects, unsettled: left } = it.compared;
    const what = `${plural(tables, 'table')}, ${plural(rows, 'row')}, ${plural(objects, 'other object')}`;
    const found = it.good
      ? `${look.paint.green('Verified')} ${when(it.at)}: restored with ${it.image}; ${what} identical${left ? `; ${unsettled(left)}` : ''}.`
      : `${look.paint.red('DIFFERS')} ${when(it.at)}: ${plural(it.differences.length, 'difference')} in ${what}.`;
    return [...wrap(found, look.width, '  '), ...differencesText(it, look)];
  });
}

const MOST = 12;

/** The differences that fit on a screen. */
export function differencesText({ differences }: Verification, look: Look): readonly string[] {
  const more = differences.length - MOST;
  return [
    ...differences.slice(0, MOST).flatMap((it) => wrap(`  ${it.kind} ${it.name} ${it.text}`, look.width, '    ')),
    ...(more > 0 ? [`  and ${plural(more, 'more', 'more')}; -o json has all`] : []),
  ];
}

/** What to type where there is no Stillpoint. */
export const byHandText = ({ id, sources }: ByHand): readonly string[] =>
  sources.flatMap((it, at) => [
    ...(at === 0 ? [] : ['']),
    `# ${it.name} (${it.engine}) of backup ${id}, to ${it.position}`,
    ...it.commands,
  ]);
