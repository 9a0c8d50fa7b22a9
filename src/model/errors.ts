/**
 * Every way in which a run can end badly. `exit` is the process's exit code, `meaning` what it means for the data, and
 * `next` what to do. A throw site may say `meaning` and `next` more exactly. docs/errors.md is written from this table.
 */
export const ERRORS = {
  internal: {
    exit: 1,
    meaning: 'This is a fault in Stillpoint. Every hold it took has been released.',
    next: 'Run it again with -v and report what it prints.',
  },
  usage: { exit: 2, meaning: 'Nothing was touched.', next: 'stillpoint --help' },
  'ref-invalid': {
    exit: 2,
    meaning: 'Nothing was touched.',
    next: 'stillpoint detect   # lists what can be backed up, by its reference',
  },
  'ref-password': {
    exit: 2,
    meaning: 'Nothing was touched, but other users of this machine could read the password.',
    next: 'Put it in a file of mode 0600 and set STILLPOINT_PASSWORD_FILE, or name the file in stillpoint.yaml.',
  },
  'config-invalid': { exit: 2, meaning: 'Nothing was touched.', next: 'stillpoint config validate' },
  'config-missing': {
    exit: 2,
    meaning: 'Nothing was touched.',
    next: 'stillpoint init   # writes a commented stillpoint.yaml',
  },
  'recipe-invalid': { exit: 2, meaning: 'Nothing was touched.', next: 'stillpoint recipe validate' },
  partial: {
    exit: 3,
    meaning: 'Some sources were not backed up; the others are stored and whole.',
    next: 'stillpoint show latest',
  },
  preflight: {
    exit: 4,
    meaning: 'Nothing was touched and writes flow.',
    next: 'Remove what stands in the way and run it again.',
  },
  privilege: {
    exit: 4,
    meaning: 'Nothing was touched and writes flow.',
    next: 'stillpoint recipe show postgresql --grants',
  },
  'method-impossible': {
    exit: 4,
    meaning: 'Nothing was touched and writes flow.',
    next: 'stillpoint plan REF   # shows every method and what stands in its way',
  },
  unreachable: {
    exit: 5,
    meaning: 'Nothing was backed up. Earlier backups are untouched.',
    next: 'Is the server running, and does it listen there?',
  },
  'login-refused': {
    exit: 5,
    meaning: 'Nothing was backed up. Earlier backups are untouched.',
    next: 'Set STILLPOINT_USER and STILLPOINT_PASSWORD_FILE, or user and password in stillpoint.yaml.',
  },
  'not-found': { exit: 6, meaning: 'Nothing was touched.', next: 'stillpoint detect' },
  ambiguous: { exit: 6, meaning: 'Nothing was touched.', next: 'Write more of the name.' },
  'backup-not-found': { exit: 6, meaning: 'Nothing was touched.', next: 'stillpoint list' },
  'backup-failed': {
    exit: 7,
    meaning: 'No backup was made. Writes flow; earlier backups are untouched.',
    next: 'Run it again; if it fails again, run it with -v.',
  },
  'hold-refused': {
    exit: 7,
    meaning: 'No backup was made. Nothing is held and writes flow.',
    next: 'Run it again when the named session is done, or set hold and onOverrun in stillpoint.yaml.',
  },
  'hold-lost': {
    exit: 7,
    meaning: 'No backup was made. The hold ended by itself and writes flow.',
    next: 'Run it again; if the machine is slow, set a longer hold in stillpoint.yaml (30s at most).',
  },
  'hook-failed': {
    exit: 7,
    meaning: 'No backup was made. Nothing is held and writes flow; earlier backups are untouched.',
    next: 'Run what the hook runs by hand, then the backup again.',
  },
  'source-changed': {
    exit: 7,
    meaning: 'No backup was made. Writes flow; earlier backups are untouched.',
    next: 'Run it again.',
  },
  'space-low': {
    exit: 7,
    meaning: 'No backup was made, to keep production from filling up. Writes flow.',
    next: 'Free space on the volume that is named and run it again.',
  },
  'repository-full': {
    exit: 7,
    meaning: 'No backup was made. Writes flow; earlier backups in this repository are whole.',
    next: 'Free space, or: stillpoint forget   # then run it again',
  },
  'repository-read-only': {
    exit: 7,
    meaning: 'No backup was made. Writes flow; earlier backups in this repository are whole.',
    next: 'Make the folder writable for this user, or name another with --to DIR.',
  },
  'repository-broken': {
    exit: 7,
    meaning: 'No backup was made. Writes flow; earlier backups in this repository were not touched.',
    next: 'Look at the disk (dmesg, mount), then: stillpoint check   # are the earlier backups whole?',
  },
  'restore-failed': {
    exit: 7,
    meaning: 'The restored copy is not usable. The source and the backup were not touched.',
    next: 'stillpoint check ID   # are the stored bytes whole?',
  },
  'target-not-empty': {
    exit: 4,
    meaning: 'Nothing was written and nothing was replaced.',
    next: 'Name an empty target.',
  },
  'still-held': { exit: 8, meaning: 'WRITES MAY STILL BE HELD.', next: 'stillpoint recover' },
  'verify-differs': {
    exit: 9,
    meaning: 'This backup is not what was captured. Do not rely on it.',
    next: 'stillpoint backup   # take a new one, and keep this one to look at',
  },
  damaged: {
    exit: 9,
    meaning: 'This backup must not be restored. Other backups are judged by their own bytes.',
    next: 'stillpoint check   # which others are whole?',
  },
  'repository-missing': {
    exit: 10,
    meaning: 'Nothing was read and nothing was written.',
    next: 'Name the right folder with --to or --from, or repository in stillpoint.yaml.',
  },
  'repository-unreadable': {
    exit: 10,
    meaning: 'Nothing was written. The stored backups were not touched.',
    next: 'Run it as the user who owns the repository, or make the disk readable again.',
  },
  'repository-format': {
    exit: 10,
    meaning: 'Nothing was read and nothing was written.',
    next: 'Install a newer Stillpoint.',
  },
  'repository-locked': {
    exit: 11,
    meaning: 'Nothing was touched by this run.',
    next: 'Wait until the other run has ended; if its process is dead: stillpoint recover',
  },
  'wrong-key': {
    exit: 12,
    meaning: 'Nothing was restored. The stored bytes may be whole.',
    next: 'Name the key with STILLPOINT_IDENTITY_FILE or encryption.identity in stillpoint.yaml.',
  },
  interrupted: {
    exit: 130,
    meaning: 'No backup was made. Every hold was released before this ended; writes flow.',
    next: 'stillpoint recover   # if anything was left',
  },
  terminated: {
    exit: 143,
    meaning: 'No backup was made. Every hold was released before this ended; writes flow.',
    next: 'stillpoint recover   # if anything was left',
  },
} as const satisfies Record<string, { exit: number; meaning: string; next: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error for a person: `message` is what happened, `meaning` what it means for the data, `next` what to do. */
export class StillpointError extends Error {
  override readonly name = 'StillpointError';
  readonly code: ErrorCode;
  readonly meaning: string;
  readonly next: string;
  readonly exit: number;

  constructor(code: ErrorCode, message: string, more: { meaning?: string; next?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.exit = ERRORS[code].exit;
    this.meaning = more.meaning ?? ERRORS[code].meaning;
    this.next = more.next ?? ERRORS[code].next;
  }
}

/**
 * Whatever was thrown, as an error for a person. Where clean-up failed after a first error, the first one is told; but
 * that writes may still be held outweighs everything.
 */
export function asStillpointError(thrown: unknown): StillpointError {
  if (thrown instanceof StillpointError) return thrown;
  if (!(thrown instanceof SuppressedError))
    return new StillpointError('internal', messageOf(thrown), { cause: thrown });
  const [later, first] = [asStillpointError(thrown.error), asStillpointError(thrown.suppressed)];
  return later.code === 'still-held' ? later : first;
}

export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
