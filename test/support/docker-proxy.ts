import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import Docker from 'dockerode';
import { makeFolder } from './cli.ts';

const DAEMON = '/var/run/docker.sock';

/** A Docker daemon with faults: what the daemon says goes through here. */
export interface DockerProxy extends AsyncDisposable {
  readonly docker: Docker;
  readonly socketPath: string;
  /** What the daemon was asked, in order: `GET /containers/json?all=true`. */
  readonly asked: readonly string[];
  /** Breaks the streams that are open now, as a daemon does that is restarted. */
  cut(): void;
  /** Changes the answers to what asks for this path; undefined: no more. */
  answer(path: RegExp, change: ((body: Record<string, unknown>) => unknown) | undefined): void;
}

export async function startDockerProxy(): Promise<DockerProxy> {
  const folder = await makeFolder();
  const socketPath = join(folder.path, 'docker.sock');
  const streams = new Set<Socket>();
  let changed: { path: RegExp; change: (body: Record<string, unknown>) => unknown } | undefined;
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`);
    forward(incoming, outgoing, () => changed);
  });
  // A stream that was upgraded is no HTTP any more: bytes from one end to the other.
  server.on('upgrade', (incoming: IncomingMessage, client: Socket, head: Buffer) => {
    const daemon = connect(DAEMON);
    const lines = incoming.rawHeaders.flatMap((it, at) =>
      at % 2 === 0 ? `${it}: ${incoming.rawHeaders[at + 1]}` : [],
    );
    daemon.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    daemon.write(head);
    const body = Number(incoming.headers['content-length'] ?? 0);
    // Node hands the body of an upgrade over as the beginning of the stream.
    if (body >= 0) client.pipe(daemon).pipe(client);
    streams.add(client);
    for (const it of [client, daemon]) it.on('error', () => it.destroy());
    client.on('close', () => {
      streams.delete(client);
      daemon.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    docker: new Docker({ socketPath }),
    socketPath,
    asked,
    cut() {
      for (const it of streams) it.destroy();
    },
    answer(path, change) {
      changed = change && { path, change };
    },
    async [Symbol.asyncDispose]() {
      for (const it of streams) it.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    },
  };
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  changed: () => { path: RegExp; change: (body: Record<string, unknown>) => unknown } | undefined,
): void {
  const { method, url = '', headers } = incoming;
  const out = request({ socketPath: DAEMON, method, path: url, headers }, (answer) => {
    const now = changed();
    if (!now?.path.test(url)) {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
      return;
    }
    const chunks: Buffer[] = [];
    answer.on('data', (chunk: Buffer) => chunks.push(chunk));
    answer.on('end', () => {
      outgoing.writeHead(answer.statusCode ?? 500, { 'content-type': 'application/json' });
      outgoing.end(JSON.stringify(now.change(JSON.parse(Buffer.concat(chunks).toString()))));
    });
  });
  out.on('error', () => outgoing.destroy());
  incoming.pipe(out);
}
