import { basename, dirname } from 'node:path';
import type { Evidence, Recognition, SeenProcess } from '../../model/facts.ts';

const MARKER = 'PG_VERSION';
const PORT = 5432;

/** Is it a PostgreSQL server, by what is seen from outside? A client, or an image that only could run one, is not. */
export function recognise(evidence: Evidence): Recognition | undefined {
  const markers = evidence.markers.filter((it) => basename(it.path) === MARKER);
  return evidence.stopped === undefined ? running(evidence, markers) : stopped(evidence, evidence.stopped, markers);
}

function running({ processes }: Evidence, markers: Evidence['markers']): Recognition | undefined {
  const named = processes.find(isPostgres);
  if (named) return recognition(named, markers, `process ${named.pid} runs ${named.executable}`);
  // The program has another name: a server that listens works in its data directory.
  const working = processes.find((it) => listens(it) && markers.some((marker) => dirname(marker.path) === it.folder));
  return working && recognition(working, markers, `process ${working.pid} listens and works in ${working.folder}`);
}

/** Only data that a PostgreSQL of this very definition would use: others mount volumes to look at them. */
function stopped(
  { environment, ports }: Evidence,
  state: string,
  markers: Evidence['markers'],
): Recognition | undefined {
  const [marker] = markers;
  const isMeant = environment.some((it) => it === 'PGDATA' || it === 'PG_MAJOR') || ports.includes(PORT);
  if (!marker || !isMeant) return undefined;
  return {
    engine: 'postgresql',
    ...(marker.text === '' ? {} : { version: marker.text }),
    dataDirectory: dirname(marker.path),
    because: [`it is ${state}`, `${marker.path} is there`],
  };
}

const isPostgres = ({ executable }: SeenProcess): boolean =>
  ['postgres', 'postmaster'].includes(basename(executable).replace(/:$/, ''));

/** Where nobody looked for ports it may. */
const listens = ({ ports, sockets }: SeenProcess): boolean => ports?.length !== 0 || sockets?.length !== 0;

function recognition(server: SeenProcess, markers: Evidence['markers'], because: string): Recognition {
  const at = server.argv.indexOf('-D');
  const [marker] = markers.filter((it) => server.folder === undefined || dirname(it.path) === server.folder);
  const dataDirectory = marker ? dirname(marker.path) : at < 0 ? undefined : server.argv[at + 1];
  return {
    engine: 'postgresql',
    ...(marker === undefined || marker.text === '' ? {} : { version: marker.text }),
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
    because: marker ? [because, `${marker.path} says ${marker.text}`] : [because],
  };
}
