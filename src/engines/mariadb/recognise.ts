import { basename, dirname } from 'node:path';
import type { Evidence, Recognition } from '../../model/facts.ts';

const MARKER = 'aria_log_control';

/**
 * Is it a MariaDB server, by what is seen from outside? `mysqld` may be MySQL's, too: then something must say MariaDB.
 * Whether its version does is asked at login.
 */
export function recognise(evidence: Evidence): Recognition | undefined {
  if (evidence.stopped !== undefined) return undefined;
  const marker = evidence.markers.find((it) => basename(it.path) === MARKER);
  const saysMariadb = marker !== undefined || evidence.environment.some((it) => it.startsWith('MARIADB_'));
  const server = evidence.processes.find(({ executable }) => {
    const name = basename(executable);
    return name === 'mariadbd' || (name === 'mysqld' && (saysMariadb || executable.includes('mariadb')));
  });
  if (!server) return undefined;
  const named = server.argv.find((it) => it.startsWith('--datadir='))?.slice('--datadir='.length);
  const dataDirectory = marker ? dirname(marker.path) : (named ?? server.folder);
  return {
    engine: 'mariadb',
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
    because: [`process ${server.pid} runs ${server.executable}`, ...(marker ? [`${marker.path} is there`] : [])],
  };
}
