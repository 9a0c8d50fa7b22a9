import { StillpointError } from '../../model/errors.ts';
import type { Engine } from '../engine.ts';
import { byHand } from './by-hand.ts';
import { compare } from './compare.ts';
import { openDump } from './dump.ts';
import { handOver } from './hand-over.ts';
import { inspect } from './inspect.ts';
import { leftovers } from './leftovers.ts';
import { offers } from './offers.ts';
import { recognise } from './recognise.ts';
import { restore, restoreFiles } from './restore.ts';
import { openSnapshot } from './snapshot.ts';

/** MariaDB 10.5 to 11.8. One file per idea: this one only names them. */
export const mariadb: Engine = {
  name: 'mariadb',
  title: 'MariaDB',
  barrier: 'statements',
  recognise,
  inspect,
  offers,
  async capture(at, login, plan, run) {
    if (plan.method === 'dump') return openDump(at, login, plan, run);
    if (plan.method === 'snapshot') return openSnapshot(at, login, plan, run);
    throw new StillpointError('method-impossible', `The method ${plan.method} of MariaDB is not in this version yet.`);
  },
  restoreFiles,
  restore,
  handOver,
  byHand,
  compare,
  leftovers,
};
