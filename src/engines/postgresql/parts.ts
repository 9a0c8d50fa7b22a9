import type { SourcePlan } from '../../model/plan.ts';
import type { Login } from '../../model/secret.ts';
import type { Instance } from '../../runtimes/runtime.ts';
import type { CaptureRun } from '../engine.ts';
import { applicationName } from './names.ts';
import { openSession, type Session } from './session.ts';

/** What every capture works with. */
export interface CaptureParts extends CaptureRun {
  readonly at: Instance;
  readonly plan: SourcePlan;
  readonly statements: Readonly<Record<string, string>>;
  readonly stack: AsyncDisposableStack;
  /** A further session, marked with the run, that ends with the stack. */
  readonly open: (database?: string) => Promise<Session>;
  /** Beside the sessions that hold and look: it watches and asks. */
  readonly control: Session;
}

/** Nothing stays open when it throws; from then on it ends with `stack`. */
export async function openParts(at: Instance, login: Login, plan: SourcePlan, run: CaptureRun): Promise<CaptureParts> {
  await using opened = new AsyncDisposableStack();
  const control = opened.use(await openSession(at, login, applicationName(run.id)));
  const stack = opened.move();
  const open = async (database?: string): Promise<Session> =>
    stack.use(await openSession(at, login, applicationName(run.id), database));
  return { ...run, at, plan, statements: plan.statements, stack, open, control };
}
