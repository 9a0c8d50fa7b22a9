import type { Emit, RunEvent } from '../model/events.ts';
import { bar, bytes, clip, millis, plural, rate, titled, unsettled, wrap } from './format.ts';
import type { Look } from './look.ts';
import type { Screen } from './screen.ts';
import { drawWindow, type Span } from './window.ts';

type Of<E extends RunEvent['event']> = Extract<RunEvent, { readonly event: E }>;

const LEFT = 13;
const RIGHT = 76;
/** What stands around a bar: `    100%  184M/s`. */
const TAIL = 16;
/** Below this a bar and a rate say nothing. */
const SMALL = 1024 ** 2;

/** Tells a run on a screen while it happens. The result itself is printed by its verb, not here. */
export function progressPrinter(screen: Screen, look: Look, clock: () => number): Emit {
  const names: string[] = [];
  const began = new Map<string, number>();
  const held: Record<string, Span> = {};
  const cut: Record<string, Span> = {};
  const unheld: Record<string, string> = {};
  let isDrawn = false;

  const label = (text: string): string => `  ${text.padEnd(LEFT)}`;
  const nameColumn = (): number => Math.min(16, Math.max(0, ...names.map((it) => it.length)));
  const of = (source: string): string =>
    names.length < 2 ? '' : `${clip(source, nameColumn()).padEnd(nameColumn())}  `;
  const measured = (text: string, time: number): string => `${text.padEnd(RIGHT - 8)}  ${millis(time).padStart(8)}`;
  /** The window is drawn when it is over, or, where nobody was held, when the first thing after it happens. */
  const draw = (): void => {
    if (isDrawn || Object.keys(cut).length === 0) return;
    isDrawn = true;
    screen.done('holding');
    for (const line of drawWindow({ held, cut, unheld }, names, LEFT)) screen.line(line);
  };
  const transfer = (event: Of<'progress'> | Of<'stored'>, fraction: number | undefined, time: number): string => {
    const what = artifactLabel(event.artifact, event.source);
    const left = names.length < 2 ? label(what) : `  ${of(event.source)}${what.padEnd(LEFT)}`;
    const sizes = `${bytes(event.plainBytes).padStart(5)} -> ${bytes(event.storedBytes).padStart(5)}`;
    if (event.plainBytes < SMALL && event.event === 'stored') return `${left}${sizes}`;
    const room = RIGHT - left.length - sizes.length - TAIL;
    const percent = `${Math.floor((fraction ?? 0) * 100)}%`.padStart(4);
    const drawn = fraction === undefined ? '' : `  ${bar(fraction, room)}  ${percent}`;
    return `${left}${sizes}${drawn}  ${rate(event.plainBytes, time).padStart(6)}`;
  };

  const on: { readonly [E in RunEvent['event']]?: (event: Of<E>) => void } = {
    started(event) {
      names.push(...event.sources.map((it) => it.name));
      const only = event.sources.length === 1 ? event.sources[0] : undefined;
      const what = only
        ? `${titled(only.engine)} ${only.version} by ${only.method}`
        : `${event.sources.length} sources${event.coordinated ? ', one instant' : ''}`;
      const where = `to ${event.repository} (${event.encrypted ? 'encrypted' : 'not encrypted'})`;
      for (const line of wrap(`${look.paint.bold(event.job)}: ${what}, ${where}`, look.width, '  ')) screen.line(line);
    },
    ready(event) {
      const space = `${bytes(event.needBytes)} needed, ${bytes(event.freeBytes)} free`;
      screen.line(measured(`${label('ready')}privileges ok, ${space}`, event.millis));
    },
    step(event) {
      if (look.verbose) screen.line(look.paint.dim(`${label('')}${of(event.source)}${event.step}: ${event.text}`));
      else screen.live(`step ${event.source}`, `${label('...')}${of(event.source)}${event.text}`);
    },
    progress(event) {
      const key = `${event.source} ${event.artifact}`;
      const from = began.get(key) ?? clock();
      began.set(key, from);
      screen.done(`step ${event.source}`);
      const total = event.totalBytes;
      const fraction = total === undefined || total === 0 ? undefined : Math.min(0.99, event.plainBytes / total);
      screen.live(key, transfer(event, fraction, clock() - from));
    },
    stored(event) {
      draw();
      screen.done(`step ${event.source}`);
      screen.done(`${event.source} ${event.artifact}`);
      screen.line(transfer(event, 1, event.millis));
    },
    holding(event) {
      isDrawn = false;
      screen.done(`step ${event.source}`);
      screen.live('holding', `${label('hold')}${of(event.source)}asking; ${millis(event.limit)} at most`);
    },
    held(event) {
      screen.live('holding', `${label('held')}${of(event.source)}writes wait`);
    },
    unheld(event) {
      unheld[event.source] = event.reason.text;
    },
    cut(event) {
      cut[event.source] = { from: event.from, to: event.to };
    },
    resumed(event) {
      Object.assign(held, event.held);
      if (Object.keys(cut).length > 0) draw();
      else if (Object.keys(event.held).length > 0)
        screen.line(`${label('resumed')}writes flow; held ${millis(event.longest)}, nothing was cut`);
      screen.done('holding');
    },
    hook(event) {
      const ended = event.ok ? 'done' : look.paint.red('FAILED');
      screen.line(measured(`${label('hook')}${event.hook}: ${event.program} ${ended}`, event.millis));
    },
    downgraded(event) {
      const text = `lower claim for ${event.source}: ${event.reason.text}`;
      for (const line of wrap(`${label('note')}${text}`, look.width, label(''))) screen.line(look.paint.yellow(line));
    },
    saved() {
      draw();
      screen.done();
    },
    restoring(event) {
      if (names.length === 0)
        for (const line of wrap(`${look.paint.bold(event.id)}: restoring into ${event.into}`, look.width, '  '))
          screen.line(line);
      if (!names.includes(event.source)) names.push(event.source);
      screen.live(`step ${event.source}`, `${label('...')}${of(event.source)}restoring`);
    },
    recovered(event) {
      screen.done(`step ${event.source}`);
      const line = `${label('restored')}${of(event.source)}${event.position.text}`;
      screen.line(measured(line, event.millis));
    },
    compared(event) {
      screen.done(`step ${event.source}`);
      const { differences } = event;
      const what = `${plural(event.tables, 'table')}, ${plural(event.rows, 'row')}, ${plural(event.objects, 'other object')}`;
      const [word, colour] = differences.length === 0 ? ['identical', look.paint.green] : ['DIFFERS', look.paint.red];
      const line = measured(`${label('compared')}${of(event.source)}${what}: ${word}`, event.millis);
      screen.line(line.replace(word, colour));
      if (event.unsettled) screen.line(`${label('')}${of(event.source)}${unsettled(event.unsettled)}`);
    },
    found(event) {
      const state = event.holds ? look.paint.red(' HOLDS WRITES') : '';
      const text = `${label('found')}run ${event.run}: ${event.what}${state}`;
      for (const line of wrap(text, look.width, label(''))) screen.line(line);
    },
    removed(event) {
      for (const line of wrap(`${label('removed')}${event.what}`, look.width, label(''))) screen.line(line);
    },
    warning(event) {
      const from = event.source === undefined ? '' : `${event.source}: `;
      const lines = wrap(`${label('warning')}${from}${event.reason.text}`, look.width, label(''));
      for (const line of lines) screen.line(look.paint.yellow(line));
    },
    failed() {
      screen.done();
    },
  };

  return (event) => (on[event.event] as ((event: RunEvent) => void) | undefined)?.(event);
}

/** `orders.base.tar` of source `orders` is `base`. */
export function artifactLabel(artifact: string, source: string): string {
  const own = artifact.startsWith(`${source}.`) ? artifact.slice(source.length + 1) : artifact;
  return own.split('.')[0] ?? own;
}
