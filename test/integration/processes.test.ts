import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { listeningProcessesOf } from '../../src/runtimes/proc.ts';

const notRoot = process.getuid?.() === 0 ? undefined : 'not root';

test.skipIf(notRoot)(
  `DOCK-1 what a server listens on is read of a process that stays, not of whichever is listed first${notRoot ? ` (skipped: ${notRoot})` : ''}`,
  async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // One that sees another network stands for one that ends before it is read.
    const other = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 60']);
    try {
      await once(other.stdout, 'data');
      const address = server.address();
      if (typeof address === 'string' || address === null || other.pid === undefined) throw new Error('not started');
      const seen = listeningProcessesOf([other.pid, process.pid], process.pid);
      expect(seen.map((it) => it.pid)).toEqual([other.pid, process.pid]);
      expect(seen[1]?.ports).toEqual([address.port]);
      expect(listeningProcessesOf([other.pid, process.pid], other.pid)[1]?.ports).toEqual([]);
    } finally {
      other.kill();
      server.close();
    }
  },
);
