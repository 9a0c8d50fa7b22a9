import { constants, getPriority, setPriority } from 'node:os';

const { PRIORITY_HIGH } = constants.priority;
const { EACCES, EPERM } = constants.errno;

/**
 * Writers wait for us: on a busy machine no other process shall make them wait longer (setpriority(2)). What is started
 * meanwhile inherits it. Only root may; for others nothing changes. Dispose takes it back.
 */
export function hurry(): Disposable {
  const before = getPriority();
  if (before <= PRIORITY_HIGH || !raised()) return { [Symbol.dispose]: () => undefined };
  return { [Symbol.dispose]: () => setPriority(before) };
}

function raised(): boolean {
  try {
    setPriority(PRIORITY_HIGH);
    return true;
  } catch (cause) {
    const number = cause instanceof Error && 'errno' in cause ? -Number(cause.errno) : 0;
    if (number === EACCES || number === EPERM) return false;
    throw cause;
  }
}
