import { isId, type RunId } from '../../model/id.ts';

/** What a session is called in its connection attributes, and so in performance_schema where that is on. */
export const applicationName = (run: RunId): string => `stillpoint/${run}`;

/** `orders.dump.sql`: every database, by mariadb-dump. */
export const dumpName = (source: string): string => `${source}.dump.sql`;
/** `orders.system.sql`: users, roles and grants, foreign servers, functions of libraries. */
export const systemName = (source: string): string => `${source}.system.sql`;

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * performance_schema is off by default in MariaDB, and nothing else shows connection attributes to others. So a session
 * also says who it is by named locks, which cost nothing, need no privilege and end with it (manual: GET_LOCK): one that
 * says whose session it is, and one for each character of the run's id.
 */
export function markSql(thread: number, run: RunId): string {
  const names = [markName(thread), ...[...run].map((digit, at) => `${markName(thread)}/${at}/${digit}`)];
  return `SELECT ${names.map((it) => `GET_LOCK('${it}', 0)`).join(', ')}`;
}

const markName = (thread: number): string => `stillpoint/${thread}`;
/** Held as well while the session holds writes. */
export const holdMark = (thread: number): string => `${markName(thread)}/hold`;

/** Reads the run of a session back, one column a character. */
export const readMarkSql = (thread: number): string => {
  const is = (at: number, digit: string): string =>
    `IF(IS_USED_LOCK('${markName(thread)}/${at}/${digit}') = ${thread}, '${digit}', '')`;
  const columns = Array.from(
    { length: 8 },
    (_, at) => `CONCAT(${[...DIGITS].map((digit) => is(at, digit)).join(', ')}) AS d${at}`,
  );
  return `SELECT ${columns.join(', ')}`;
};

/** Sessions of ours: those that hold the lock of their own number. */
export const MARKED = "IS_USED_LOCK(CONCAT('stillpoint/', p.id)) = p.id";

export const runOf = (digits: readonly string[]): RunId | undefined => {
  const run = digits.join('');
  return isId(run) ? run : undefined;
};
