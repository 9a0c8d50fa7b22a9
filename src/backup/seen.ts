import type { Hold, Witness } from '../engines/capture.ts';
import type { RunEvent } from '../model/events.ts';
import type { Reason } from '../model/level.ts';
import type { HoldEvidence, WindowRecord } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import type { Position } from '../model/position.ts';
import { type Interval, intervalOf, type Millis } from '../model/time.ts';
import type { OpenCapture } from './prepare.ts';
import type { CutSeen, Doubt, Evidence } from './proof.ts';

/** What happened in the window, for `claim`. */
export interface Window extends WindowRecord {
  readonly positions: Readonly<Record<string, Position>>;
  /** Why a source went unheld or its hold does not prove the cut. */
  readonly reasons: Readonly<Record<string, readonly Reason[]>>;
}

/** One hold that was had. */
export interface Held {
  readonly open: OpenCapture;
  readonly hold: Hold;
  readonly granted: Millis;
  /** When it was let go, and when that was done. */
  released?: Millis;
  flows?: Millis;
}

/** A source before storage is cut. */
export interface Point {
  readonly source: string;
  /** Absent: it was not held. */
  readonly witness: Witness | undefined;
  readonly position: Position;
  /** When its own sessions were cut. */
  readonly at: Interval;
}

type Witnesses = readonly (readonly [string, Witness])[];

/** Everything that is seen while the window is open, in one place; it acts on nothing. */
export class Seen {
  readonly #plan: Plan;
  readonly #opened = performance.now();
  #holds: Held[] = [];
  #before: ReadonlyMap<string, Witness> = new Map();
  #after: ReadonlyMap<string, Witness> = new Map();
  #cuts: readonly CutSeen[] = [];
  #unheld: Evidence['unheld'] = {};
  readonly #flushed: Record<string, Interval> = {};
  readonly #positions: Record<string, Position> = {};
  readonly #notHeld: Record<string, readonly Reason[]> = {};

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Milliseconds since the window was opened. */
  at(): Millis {
    return performance.now() - this.#opened;
  }

  get holds(): readonly Held[] {
    return this.#holds;
  }
  holdOf(name: string): Hold | undefined {
    return this.#holds.find((it) => it.open.plan.name === name)?.hold;
  }

  granted(open: OpenCapture, hold: Hold): void {
    this.#holds.push({ open, hold, granted: performance.now() });
  }
  /** After an attempt in vain, when all were let go. */
  forgetHolds(): void {
    this.#holds = [];
  }
  notHeld(name: string, text: string): void {
    this.#notHeld[name] = [{ code: 'not-held', text }];
  }
  isFlushed(name: string): boolean {
    return name in this.#flushed;
  }
  flushed(name: string, at: Interval): void {
    this.#flushed[name] = at;
  }
  /** Of one attempt: what an earlier one saw is void. */
  points(points: readonly Point[]): void {
    this.#before = new Map(points.flatMap(({ source, witness }) => (witness ? [[source, witness]] : [])));
    this.#cuts = points.map(({ source, at }) => ({ source, at, by: 'session', atomic: true }));
    for (const { source, position } of points) this.#positions[source] = position;
  }
  after(witnesses: Witnesses): void {
    this.#after = new Map(witnesses);
  }
  unheld(reasons: Evidence['unheld']): void {
    this.#unheld = reasons;
  }
  storageCuts(cuts: Readonly<Record<string, Interval>>): void {
    const all = Object.entries(cuts).map(([source, at]) => ({ source, at, by: 'storage', atomic: true }) as const);
    this.#cuts = [...this.#cuts, ...all];
  }

  evidence(): Evidence {
    return {
      coordinated: this.#plan.consistency === 'coordinated',
      holds: this.#holds.flatMap(({ open, hold, granted, released }) => {
        const source = open.plan.name;
        const [before, after] = [this.#before.get(source), this.#after.get(source)];
        if (!before || !after) return [];
        return [{ source, granted, until: hold.until, ...(released === undefined ? {} : { released }), before, after }];
      }),
      cuts: this.#cuts,
      flushed: this.#flushed,
      unheld: this.#unheld,
    };
  }

  window(doubts: readonly Doubt[]): Window {
    const of = (name: string): readonly Reason[] => doubts.filter((it) => it.name === name).map((it) => it.reason);
    const names = this.#plan.sources.map((it) => it.name);
    const reasons = names.map((name) => [name, [...(this.#notHeld[name] ?? []), ...of(name)]] as const);
    return {
      held: Object.fromEntries(this.#holds.map((it) => [it.open.plan.name, this.#hold(it, of(it.open.plan.name))])),
      cut: this.#cutBySource(),
      flushed: this.#flushed,
      positions: this.#positions,
      reasons: Object.fromEntries(reasons.filter(([, all]) => all.length > 0)),
    };
  }

  #hold({ open, hold, granted, released, flows }: Held, reasons: readonly Reason[]): HoldEvidence {
    return {
      held: intervalOf(hold.since, flows ?? performance.now()),
      granted,
      until: hold.until,
      ...(released === undefined ? {} : { released }),
      session: this.#after.get(open.plan.name)?.session ?? '',
      unbroken: reasons.length === 0,
      reasons,
    };
  }

  /** Where a source was cut by its session and by storage, what storage holds is what is stored. */
  #cutBySource(): Readonly<Record<string, Interval>> {
    return Object.fromEntries(this.#cuts.map(({ source, at }) => [source, at]));
  }

  cutEvents(): readonly RunEvent[] {
    return Object.entries(this.#cutBySource()).flatMap(([source, { start, end }]): readonly RunEvent[] => {
      const position = this.#positions[source];
      if (!position) return [];
      return [{ event: 'cut', source, from: start - this.#opened, to: end - this.#opened, position }];
    });
  }

  /** Who was held from when to when, in the window's own time. From the request on: a lock that waits stops writers, too. */
  spans(): { readonly held: Readonly<Record<string, { from: Millis; to: Millis }>>; readonly longest: Millis } {
    const spans = this.#holds.map(({ open, hold, flows }) => {
      const span = { from: hold.since - this.#opened, to: (flows ?? performance.now()) - this.#opened };
      return [open.plan.name, span] as const;
    });
    const longest = Math.max(0, ...spans.map(([, { from, to }]) => to - from));
    return { held: Object.fromEntries(spans), longest };
  }
}
