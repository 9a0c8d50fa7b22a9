import type { Reason } from '../../model/level.ts';
import { fill, type Session } from './session.ts';

/**
 * Without a hold, an unchanged transaction snapshot proves a cut: it changes as soon as any transaction of the whole
 * server that wrote ends. `readers` each sit in a transaction whose snapshot is fixed; `control` sees the newest.
 */
export async function movedSince(
  readers: readonly Session[],
  control: Session,
  statements: Readonly<Record<string, string>>,
): Promise<readonly Reason[]> {
  const look = async (session: Session): Promise<string> =>
    (await session.query(fill(statements.witness)))[0]?.transactions ?? '';
  const [now, ...pinned] = await Promise.all([look(control), ...readers.map(look)]);
  const other = pinned.find((it) => it !== now);
  if (other === undefined) return [];
  return [
    {
      code: 'transactions-moved',
      text: `a transaction ended between the first and the last moment of the cut: ${other} before, ${now} after`,
    },
  ];
}
