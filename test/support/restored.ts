import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A server started by hand on restored files, as a DBA would, without any code of Stillpoint's. */
export interface Restored extends AsyncDisposable {
  query<R extends pg.QueryResultRow>(sql: string, database?: string): Promise<R[]>;
  readonly socket: string;
}

export async function startRestored(
  files: string,
  programs: string,
  user = 'postgres',
  uid = 65534,
): Promise<Restored> {
  const socket = `${files}.run`;
  await mkdir(socket);
  await chmod(socket, 0o777);
  const as = process.getuid?.() === 0 ? { uid, gid: uid } : {};
  if (process.getuid?.() === 0) await chown(socket, uid, uid);
  const log = join(socket, 'log');
  const out = openSync(log, 'a');
  const settings = [
    `config_file=${files}/stillpoint.conf`,
    `hba_file=${files}/stillpoint_hba.conf`,
    `unix_socket_directories=${socket}`,
    'listen_addresses=',
  ];
  const child = spawn(join(programs, 'postgres'), ['-D', files, ...settings.flatMap((it) => ['-c', it])], {
    stdio: ['ignore', out, out],
    cwd: files,
    ...as,
  });
  const ended = once(child, 'exit');
  const query = async <R extends pg.QueryResultRow>(sql: string, database = 'template1'): Promise<R[]> => {
    const client = new pg.Client({ host: socket, user, database });
    await client.connect();
    try {
      return (await client.query<R>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  for (;;) {
    const state = await query<{ r: boolean }>('SELECT pg_is_in_recovery() AS r').catch(() => undefined);
    if (state?.[0]?.r === false) break;
    if (child.exitCode !== null) throw new Error(`the restored server ended: ${await readFile(log, 'utf8')}`);
    await sleep(50);
  }
  return {
    query,
    socket,
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT');
      await ended;
    },
  };
}
