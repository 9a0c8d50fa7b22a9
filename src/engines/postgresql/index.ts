import type { Engine } from '../engine.ts';
import { byHand } from './by-hand.ts';
import { quarantined } from './command-line.ts';
import { compare } from './compare.ts';
import { openCopy } from './copy.ts';
import { openDump } from './dump.ts';
import { handOver } from './hand-over.ts';
import { inspect } from './inspect.ts';
import { leftovers } from './leftovers.ts';
import { offers } from './offers.ts';
import { recognise } from './recognise.ts';
import { restore, restoreFiles } from './restore.ts';
import { openSnapshot } from './snapshot.ts';
import { transfer } from './transfer.ts';

/** PostgreSQL 12 to 18. One file per idea: this one only names them. */
export const postgresql: Engine = {
  name: 'postgresql',
  title: 'PostgreSQL',
  barrier: 'transactions',
  recognise,
  inspect,
  offers,
  async capture(at, login, plan, run) {
    if (plan.method === 'copy') return openCopy(at, login, plan, run);
    if (plan.method === 'dump') return openDump(at, login, plan, run);
    return openSnapshot(at, login, plan, run);
  },
  restoreFiles,
  restore,
  handOver,
  quarantined,
  transfer,
  byHand,
  compare,
  leftovers,
};
