import { markersIn } from '../markers.ts';
import { isHead, listeningProcessesOf, ownPids } from '../proc.ts';
import type { Instance } from '../runtime.ts';
import { instanceOf } from './instance.ts';

/**
 * Every program of this machine that listens, with its family. What it speaks is not known yet, so its reference is only
 * a place: who recognises it finds it again by the right scheme.
 */
export async function* scanHost(signal: AbortSignal): AsyncGenerator<Instance> {
  const all = listeningProcessesOf(ownPids(), 'self');
  for (const head of all.filter((it) => isHead(it, all))) {
    signal.throwIfAborted();
    const { ports = [], sockets = [], folder } = head;
    if (ports.length + sockets.length === 0) continue;
    const [port = portOf(sockets)] = ports;
    const instance = instanceOf({ kind: 'url', scheme: 'postgres', host: '127.0.0.1', port }, [head]);
    const markers = folder === undefined || folder === '/' ? [] : await markersIn(folder, folder);
    yield { ...instance, evidence: { ...instance.evidence, ports, markers } };
  }
}

/** A server may listen on a socket alone, whose name then often ends in the port it would have. */
const portOf = (sockets: readonly string[]): number =>
  Number(sockets.map((it) => /\.(\d+)$/.exec(it)?.[1]).find((it) => it !== undefined) ?? 0);
