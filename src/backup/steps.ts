import type { Method } from '../model/facts.ts';
import type { Step } from '../model/plan.ts';

/** What a plan tells people of each method, in order; `statement` names one of the recipe's. */
type StepTemplate = Pick<Step, 'phase' | 'what' | 'blocks'> & { readonly statement?: string };

export const STEPS: Readonly<Partial<Record<Method, readonly StepTemplate[]>>> = {
  copy: [
    {
      phase: 'prepare',
      what: 'open the backup session; the server ends it when the runner falls silent',
      statement: 'guardBackup',
    },
    { phase: 'prepare', what: 'keep the log from here on', statement: 'pinLog' },
    { phase: 'prepare', what: 'begin backup mode', statement: 'start' },
    { phase: 'prepare', what: 'copy the files while writers go on' },
    { phase: 'prepare', what: 'end backup mode', statement: 'stop' },
    { phase: 'window', what: 'limit how long the server lets this hold last', statement: 'guardHold' },
    {
      phase: 'window',
      what: 'hold writes',
      statement: 'hold',
      blocks: 'INSERT, UPDATE, DELETE, TRUNCATE and ALTER TABLE wait; reads do not',
    },
    { phase: 'window', what: 'make acknowledged commits durable', statement: 'flush' },
    { phase: 'window', what: 'read what must not change', statement: 'witness' },
    { phase: 'window', what: 'pin what is seen now, for the fingerprint', statement: 'exportSnapshot' },
    { phase: 'window', what: 'name the point that a restore stops at', statement: 'point' },
    { phase: 'window', what: 'prove that nothing changed', statement: 'witness' },
    { phase: 'window', what: 'let writes go', statement: 'resume' },
    { phase: 'finish', what: 'close the log segment that holds the point', statement: 'closeLog' },
    { phase: 'finish', what: 'store the log up to the point' },
    { phase: 'finish', what: 'fingerprint every table, sequence, role and definition as they were at the point' },
  ],
};
