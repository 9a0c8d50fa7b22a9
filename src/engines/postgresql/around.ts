import type { Reason } from '../../model/level.ts';
import { type Print, prints, type Unsettled } from './fingerprint.ts';
import type { CutSequences } from './sequences.ts';
import type { Session } from './session.ts';

/**
 * The prints of a cut that lies between two sets of snapshots: what is the same in both was so at the cut, too; the rest
 * is unsettled. Without `after`, the snapshots of `before` are the cut. What is unsettled is pushed to `unsettled` by name.
 */
export async function* printsAround(
  before: readonly Session[],
  after: readonly Session[],
  sequences: CutSequences,
  excluded: Reason[],
  unsettled: string[],
): AsyncGenerator<Print> {
  const later = new Map<string, Print>();
  for await (const print of prints(after, sequences, [], { kind: 'files' })) later.set(identity(print), print);
  const leave = (print: Print): Unsettled => {
    unsettled.push([print.database, print.name].filter((it) => it !== '').join('.'));
    const { kind, database, name } = print;
    return { kind, database, name, unsettled: true };
  };
  for await (const print of prints(before, sequences, excluded, { kind: 'files' })) {
    const other = later.get(identity(print));
    later.delete(identity(print));
    const settled = after.length === 0 || (other !== undefined && JSON.stringify(other) === JSON.stringify(print));
    yield settled && !('unsettled' in print) ? print : leave(print);
  }
  for (const print of later.values()) yield leave(print);
}

/** What a record says of it. */
export const notCompared = (unsettled: readonly string[]): readonly Reason[] =>
  unsettled.length === 0
    ? []
    : [{ code: 'not-compared', text: `changed around the cut, so verify does not compare: ${unsettled.join(', ')}` }];

/** Constraints and memberships share names: each of them counts by all that is known of it. */
const identity = (print: Print): string =>
  JSON.stringify('definition' in print ? print : [print.kind, print.database, print.name]);
