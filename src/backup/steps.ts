import type { Method } from '../model/facts.ts';
import type { Step } from '../model/plan.ts';

/** What a plan tells people of each method, in order; `statement` names one of the recipe's. */
type StepTemplate = Pick<Step, 'phase' | 'what' | 'blocks'> & {
  readonly statement?: string;
  /** Only where writes are held. */
  readonly holds?: true;
};

const HOLD: readonly StepTemplate[] = [
  {
    phase: 'window',
    what: 'limit how long the server lets this hold last',
    statement: 'guardHold',
    holds: true,
  },
  {
    phase: 'window',
    what: 'hold writes',
    statement: 'hold',
    blocks: 'INSERT, UPDATE, DELETE, TRUNCATE and ALTER TABLE wait; reads do not',
    holds: true,
  },
  { phase: 'window', what: 'make acknowledged commits durable', statement: 'flush' },
];
const RESUME: StepTemplate = { phase: 'window', what: 'let writes go', statement: 'resume', holds: true };

type Steps = Readonly<Partial<Record<Method, readonly StepTemplate[]>>>;

const POSTGRESQL: Steps = {
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
    ...HOLD,
    { phase: 'window', what: 'read what must not change', statement: 'witness' },
    { phase: 'window', what: 'pin what is seen now, for the fingerprint', statement: 'exportSnapshot' },
    { phase: 'window', what: 'name the point that a restore stops at', statement: 'point' },
    { phase: 'window', what: 'prove that nothing changed', statement: 'witness' },
    RESUME,
    { phase: 'finish', what: 'close the log segment that holds the point', statement: 'closeLog' },
    { phase: 'finish', what: 'store the log up to the point' },
    { phase: 'finish', what: 'fingerprint every table, sequence, role and definition as they were at the point' },
  ],
  snapshot: [
    {
      phase: 'prepare',
      what: 'make a checkpoint, so that a restore has little log to replay',
      statement: 'checkpoint',
    },
    { phase: 'prepare', what: 'write back what the file system holds in memory' },
    ...HOLD,
    { phase: 'window', what: 'read what must not change', statement: 'witness' },
    { phase: 'window', what: 'fix what is seen now, for the fingerprint', statement: 'openSnapshot' },
    { phase: 'window', what: 'cut the storage' },
    { phase: 'window', what: 'find out what changed', statement: 'witness' },
    RESUME,
    { phase: 'finish', what: 'fingerprint every table, sequence, role and definition as of the cut' },
    { phase: 'finish', what: 'store the files of the snapshot' },
    { phase: 'finish', what: 'remove the snapshot, unless it is to be kept' },
  ],
  dump: [
    {
      phase: 'prepare',
      what: 'open a session per database; they keep the point and never time out',
      statement: 'guardDump',
    },
    {
      phase: 'prepare',
      what: 'keep tables from being truncated or dropped until the dump has ended',
      statement: 'lock',
      blocks: 'TRUNCATE, DROP and ALTER TABLE wait until the dump has ended',
    },
    ...HOLD,
    { phase: 'window', what: 'read what must not change', statement: 'witness' },
    { phase: 'window', what: 'pin one snapshot per database', statement: 'exportSnapshot' },
    { phase: 'window', what: 'prove that nothing changed', statement: 'witness' },
    RESUME,
    { phase: 'finish', what: "run the server's own pg_dumpall for roles, memberships and tablespaces" },
    { phase: 'finish', what: "run the server's own pg_dump on each snapshot, two at once" },
    { phase: 'finish', what: 'prove that no definition changed before pg_dump had read it' },
    { phase: 'finish', what: 'fingerprint every table, sequence, role and definition as they were at the point' },
  ],
};

const MARIADB_HOLD: readonly StepTemplate[] = [
  { phase: 'window', what: 'limit how long the server lets this hold last', statement: 'guardHold', holds: true },
  {
    phase: 'window',
    what: 'hold writes',
    statement: 'hold',
    blocks: 'COMMIT, writes to tables without transactions and changes of definitions wait; reads do not',
    holds: true,
  },
  { phase: 'window', what: 'make acknowledged commits durable', statement: 'flush' },
  { phase: 'window', what: 'read the position, which must not change' },
  { phase: 'window', what: 'pin what is seen now, for the fingerprint', statement: 'openSnapshot' },
];
const DEFINITIONS: StepTemplate = { phase: 'prepare', what: 'read every definition, user and grant' };
const MARIADB_END: readonly StepTemplate[] = [
  { phase: 'finish', what: 'fingerprint every table, user and definition as they were at the point' },
  { phase: 'finish', what: 'prove that no definition, user or grant was changed meanwhile' },
];

const MARIADB: Steps = {
  snapshot: [
    DEFINITIONS,
    { phase: 'prepare', what: 'write back what the file system holds in memory' },
    ...MARIADB_HOLD,
    { phase: 'window', what: 'read small tables without transactions, before and after the cut' },
    { phase: 'window', what: 'cut the storage' },
    { phase: 'window', what: 'prove that nothing changed' },
    RESUME,
    ...MARIADB_END,
    { phase: 'finish', what: 'store the files of the snapshot' },
    { phase: 'finish', what: 'remove the snapshot' },
  ],
  dump: [
    DEFINITIONS,
    { phase: 'prepare', what: "start the server's own mariadb-dump, which waits for a word" },
    ...MARIADB_HOLD,
    { phase: 'window', what: 'let mariadb-dump go and see its transaction open' },
    { phase: 'window', what: 'prove that nothing changed' },
    RESUME,
    { phase: 'finish', what: 'store the dump, and compare its position with that of the point' },
    { phase: 'finish', what: 'run mariadb-dump for users, roles, grants, foreign servers and functions of libraries' },
    ...MARIADB_END,
  ],
};

export const STEPS: Readonly<Record<string, Steps>> = { mariadb: MARIADB, postgresql: POSTGRESQL };
