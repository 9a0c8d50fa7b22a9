import { StillpointError } from '../../model/errors.ts';
import type { Follower } from './tools.ts';

/** What pg_dumpall writes last: nothing follows, so whoever has it has all of it. */
const LAST = '-- PostgreSQL database cluster dump complete\n--\n\n';

/** Follows the output of `pg_dumpall --globals-only` to its last line. */
export class Globals implements Follower {
  #tail = '';

  see(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString('latin1')).slice(-LAST.length);
  }

  missing(): string | undefined {
    return this.#tail === LAST ? undefined : 'its last line is not the one that pg_dumpall ends with';
  }
}

/** Globals for another server. */
export interface Rewritten {
  readonly text: string;
  /** Folders to be made for the tablespaces before it is run. */
  readonly folders: readonly string[];
}

/**
 * Two statements cannot be run as they are: the role that the new server was made with is there already, and a
 * tablespace must never be put where the source has its own. A line counts only where it begins a statement, not within
 * a quoted text: a comment on a role may say anything.
 */
export function rewriteGlobals(text: string, superuser: string, folderOf: (number: number) => string): Rewritten {
  const folders: string[] = [];
  const lines: string[] = [];
  let quoted = false;
  for (const line of text.split('\n')) {
    if (quoted || !line.startsWith('CREATE ')) lines.push(line);
    else if (line.startsWith('CREATE TABLESPACE ')) {
      const folder = folderOf(folders.length + 1);
      folders.push(folder);
      lines.push(placed(line, folder));
    } else if (line !== `CREATE ROLE ${identifier(superuser)};`) lines.push(line);
    if (quoted || !line.startsWith('--')) quoted = endsQuoted(line, quoted);
  }
  if (quoted) throw new StillpointError('damaged', 'The globals of this backup end within a quoted text.');
  return { text: lines.join('\n'), folders };
}

function placed(line: string, folder: string): string {
  const place = /^(CREATE TABLESPACE .+ LOCATION )'(?:[^']|'')*';$/.exec(line);
  if (!place) throw new StillpointError('restore-failed', `This statement cannot be read: ${line}`);
  return `${place[1]}'${folder.replaceAll("'", "''")}';`;
}

/** As pg_dumpall writes it: quoted only where it must be. */
const identifier = (name: string): string =>
  /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** Whether a text in single quotes is open at the end of the line; double quotes, which name things, end on their line. */
function endsQuoted(line: string, quoted: boolean): boolean {
  let single = quoted;
  let double = false;
  for (const it of line) {
    if (it === "'" && !double) single = !single;
    else if (it === '"' && !single) double = !double;
  }
  return single;
}

/** What of the globals is for a server that has roles of its own. */
export interface Fitted {
  readonly text: string;
  /** Tablespaces that are not made: everything goes to where the server keeps its data. */
  readonly tablespaces: readonly string[];
}

const NAME = '("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)';
const ABOUT_ROLE = new RegExp(`^(?:(CREATE)|ALTER|COMMENT ON|SECURITY LABEL .* ON) ROLE ${NAME}`);
const MEMBERSHIP = new RegExp(`^GRANT ${NAME} TO ${NAME}`);
const NEW_TABLESPACE = new RegExp(`^CREATE TABLESPACE ${NAME}`);

/**
 * For a running server: roles that it has are not made, and changed only when `change` says so; the one that is logged in
 * as never, or the server would no longer take its own password. Tablespaces would lie where the source has its own.
 */
export function fitGlobals(text: string, roles: ReadonlySet<string>, self: string, change: boolean): Fitted {
  const tablespaces: string[] = [];
  const isOurs = (role: string): boolean => role !== self && (change || !roles.has(role));
  const fits = (statement: string): boolean => {
    const about = ABOUT_ROLE.exec(statement);
    if (about) {
      const [, isNew, role = ''] = about;
      return isNew === undefined ? isOurs(unquoted(role)) : !roles.has(unquoted(role));
    }
    const membership = MEMBERSHIP.exec(statement);
    if (membership) return membership.slice(1).some((role) => isOurs(unquoted(role)));
    const [, tablespace] = NEW_TABLESPACE.exec(statement) ?? [];
    if (tablespace !== undefined) tablespaces.push(unquoted(tablespace));
    return !/^(CREATE|ALTER|COMMENT ON|SECURITY LABEL .* ON|(GRANT|REVOKE) .* ON) TABLESPACE /.test(statement);
  };
  const fitted = [...statements(text)].filter(fits);
  return { text: `${fitted.join('\n')}\n`, tablespaces };
}

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** Each ends with the line that ends it, and not within a quoted text; psql's own commands are a line each. */
function* statements(text: string): Generator<string> {
  let statement: string[] = [];
  let quoted = false;
  for (const line of text.split('\n')) {
    if (statement.length === 0 && (line === '' || line.startsWith('--'))) continue;
    statement.push(line);
    quoted = endsQuoted(line, quoted);
    if (quoted || (!line.endsWith(';') && !line.startsWith('\\'))) continue;
    yield statement.join('\n');
    statement = [];
  }
  if (statement.length > 0) throw new StillpointError('damaged', 'The globals of this backup end within a statement.');
}
