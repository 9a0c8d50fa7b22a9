import type { Readable } from 'node:stream';
import type { Artifact } from '../model/manifest.ts';
import type { Put } from '../repositories/repository.ts';

/** Stores a stream, unless `signal` aborts first: then the stream ends with its reason, and so does the storing. */
export async function store(put: Put, name: string, stream: Readable, signal: AbortSignal): Promise<Artifact> {
  const abort = (): void => {
    stream.destroy(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  };
  // Whoever stores it tells of an error; before that begins to read, nobody would listen.
  stream.on('error', () => undefined);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await put(name, stream);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
