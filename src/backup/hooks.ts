import { basename } from 'node:path';
import type { Entry } from '../hold/journal.ts';
import { StillpointError } from '../model/errors.ts';
import type { Emit } from '../model/events.ts';
import type { Hook, HookMoment } from '../model/hooks.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import { now } from '../model/time.ts';
import { runHook } from './hook-process.ts';
import type { InHold } from './window.ts';
import type { JobRequest } from './world.ts';

/** The hooks of one run, each moment at most once. */
export class RunHooks {
  readonly #job: JobRequest;
  readonly #plan: Plan;
  readonly #entry: Entry;
  readonly #emit: Emit;
  readonly #signal: AbortSignal;
  readonly #drained: string[] = [];
  #after: Promise<readonly string[]> | undefined;

  constructor(job: JobRequest, plan: Plan, entry: Entry, emit: Emit, signal: AbortSignal) {
    this.#job = job;
    this.#plan = plan;
    this.#entry = entry;
    this.#emit = emit;
    this.#signal = signal;
  }

  /** Throws `hook-failed` with the first that did not do its work; those behind it do not run. */
  async before(): Promise<void> {
    const owed = this.#of('after').map(nameOf);
    if (owed.length > 0) await this.#entry.owing(owed);
    for (const hook of this.#of('before')) {
      await this.#must('before', hook, { timeout: hook.timeout, patient: true, signal: this.#signal });
      if (hook.drains) this.#drained.push(nameOf(hook));
    }
  }

  /** What is to be done in the hold; undefined: nothing. */
  inHold(): InHold | undefined {
    const hooks = this.#of('held');
    if (hooks.length === 0) return undefined;
    return async (room) => {
      const deadline = performance.now() + room;
      for (const hook of hooks) {
        const timeout = Math.max(1, Math.min(hook.timeout, deadline - performance.now()));
        await this.#must('held', hook, { timeout, patient: false, signal: this.#signal });
      }
    };
  }

  /** Always, also when the run is being stopped; once, whoever asks first. Each runs, whatever became of the others. */
  async after(result: 'cut' | 'failed'): Promise<void> {
    this.#after ??= this.#all('after', { STILLPOINT_HOOK_RESULT: result });
    await this.#after;
    if (this.#of('after').length > 0) await this.#entry.owing([]);
  }

  async failed(error: StillpointError): Promise<void> {
    await this.#all('failed', { STILLPOINT_HOOK_RESULT: 'failed', STILLPOINT_HOOK_ERROR: error.code });
  }

  /** Those that acknowledged that the application had stopped. */
  get drained(): readonly string[] {
    return this.#drained;
  }

  /** The backup is whole; but what an `after` hook was to undo may not be undone, and that is a failure. */
  async judge(manifest: Manifest): Promise<void> {
    const [why] = (await this.#after) ?? [];
    if (why === undefined) return;
    throw new StillpointError('hook-failed', why, {
      meaning: `Backup ${manifest.id} is stored and whole, and writes flow; but what this hook was to do is not done.`,
      next: 'Do by hand what the hook does.',
    });
  }

  async #must(moment: HookMoment, hook: Hook, how: Parameters<typeof runHook>[2]): Promise<void> {
    const why = await this.#run(moment, hook, how, {});
    if (why !== undefined) throw new StillpointError('hook-failed', why);
  }

  /** Why each that failed did so. */
  async #all(moment: HookMoment, more: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const failed: string[] = [];
    for (const hook of this.#of(moment)) {
      const why = await this.#run(moment, hook, { timeout: hook.timeout, patient: true }, more);
      if (why === undefined) continue;
      failed.push(why);
      this.#emit({ event: 'warning', reason: { code: 'hook-failed', text: why } });
    }
    return failed;
  }

  async #run(
    moment: HookMoment,
    hook: Hook,
    how: Parameters<typeof runHook>[2],
    more: Readonly<Record<string, string>>,
  ): Promise<string | undefined> {
    const environment = {
      ...this.#job.hooks?.environment,
      STILLPOINT_HOOK: moment,
      STILLPOINT_HOOK_JOB: this.#plan.job,
      STILLPOINT_HOOK_ID: this.#plan.id,
      ...more,
    };
    const start = performance.now();
    const why = await runHook(hook.run, environment, how);
    const program = nameOf(hook);
    const millis = performance.now() - start;
    this.#emit({ event: 'hook', hook: moment, program, ok: why === undefined, at: now(), millis });
    return why === undefined ? undefined : `The ${moment} hook ${program} failed: ${why}.`;
  }

  #of(moment: HookMoment): readonly Hook[] {
    return this.#job.hooks?.hooks[moment] ?? [];
  }
}

/** The program alone: its arguments may hold what is not for everybody. */
const nameOf = ({ run: [program = ''] }: Hook): string => basename(program);
