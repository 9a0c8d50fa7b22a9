import type { ServerChange } from '../../model/change.ts';
import { StillpointError } from '../../model/errors.ts';
import type { SourcePlan } from '../../model/plan.ts';
import type { Login } from '../../model/secret.ts';
import type { Millis } from '../../model/time.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { Hold } from '../capture.ts';
import type { CaptureRun } from '../engine.ts';
import { flushLog, planFlush } from './flush.ts';
import { type HoldSessions, holdWrites, readyHold } from './hold.ts';
import { openMarked, type Session } from './session.ts';

/** What a capture stops writes with. */
export interface BarrierParts extends CaptureRun {
  readonly at: Instance;
  readonly login: Login;
  readonly plan: SourcePlan;
  readonly stack: AsyncDisposableStack;
  /** Beside the session that holds: it looks and flushes. */
  readonly control: Session;
}

/** The session that looks and flushes, and what every capture needs beside it. Nothing stays open when it throws. */
export async function openParts(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<BarrierParts> {
  await using stack = new AsyncDisposableStack();
  const control = await openMarked(stack, at, login, run.id);
  run.tell('session', `${control.name} opened`);
  return { ...run, at, login, plan, stack: stack.move(), control };
}

/** Stops writes, in a session that does nothing else. Used by every method. */
export class Barrier {
  readonly #parts: BarrierParts;
  #holder: Session | undefined;
  #flushedSince: bigint | undefined;

  constructor(parts: BarrierParts) {
    this.#parts = parts;
  }

  async prepare(): Promise<void> {
    const { stack, at, login, id } = this.#parts;
    this.#holder = await openMarked(stack, at, login, id);
  }

  async ready(): Promise<readonly ServerChange[]> {
    // An attempt in vain may have had to end the session that was to hold.
    if (this.#holder?.lost.aborted) await this.prepare();
    await readyHold(this.#sessions());
    const { changes, since } = await planFlush(this.#parts.control, this.#parts.plan.statements);
    this.#flushedSince = since;
    return changes;
  }

  hold(room: Millis): Promise<Hold> {
    return holdWrites(this.#sessions(), room);
  }

  flush(): Promise<void> {
    return flushLog(this.#parts.control, this.#parts.plan.statements, this.#flushedSince);
  }

  #sessions(): HoldSessions {
    const { control, plan, holdLimit } = this.#parts;
    if (!this.#holder) throw new StillpointError('internal', 'Writes were held before that was prepared.');
    return { holder: this.#holder, control, statements: plan.statements, limit: holdLimit };
  }
}
