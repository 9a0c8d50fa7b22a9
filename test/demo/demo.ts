/**
 * `npm run demo`: a PostgreSQL that people write to all the time is backed up, and the backup proven by restoring it.
 * `--keep` leaves the server and the backup to look around in; `--end [FOLDER…]` ends what was kept.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endAbandoned } from '../embedded/folder.ts';
import { type Embedded, startEmbedded } from '../embedded/postgres.ts';
import { interruptible } from './interruptible.ts';
import { countShop, openShop } from './shop.ts';
import { Stillpoint } from './stillpoint.ts';
import { farewell, summary } from './summary.ts';
import { startWriters } from './writers.ts';

const WRITERS = 4;
const PAUSE = 10;

async function demo(keep: boolean, signal: AbortSignal): Promise<void> {
  say('Starting a PostgreSQL with a small shop in it ...');
  await using server = await startEmbedded({ databases: ['shop'] });
  await openShop(server);
  signal.throwIfAborted();
  const before = await countShop(server);
  {
    await using writers = await startWriters(server.login('shop'), WRITERS, PAUSE);
    const [{ server_version: version = '' } = {}] = await server.query<{ server_version: string }>(
      'SHOW server_version',
    );
    say(
      `PostgreSQL ${version} on port ${server.port}: ${before.tables} tables, ${before.rows.toLocaleString('en')} rows.`,
    );
    say(`${WRITERS} writers place orders and move stock in it, all the time. Now back it up:`);

    const stillpoint = new Stillpoint({ folder: server.folder, environment: environmentOf(server) }, signal);
    await stillpoint.run('backup', server.url, '--to', 'backups');
    await stillpoint.run('show', 'latest', '--from', 'backups');
    await stillpoint.run('verify', 'latest', '--from', 'backups');
    await stillpoint.run('list', '--from', 'backups');
    writers.check();
    say(summary({ shown: await stillpoint.show(), writes: writers.writes, now: await countShop(server) }));
  }
  if (keep) {
    await server.keep();
    say(farewell(server, environmentOf(server)));
  } else {
    say('Nothing of this is left behind. To look around in it: npm run demo -- --keep');
  }
}

const environmentOf = (server: Embedded): Readonly<Record<string, string>> => ({
  STILLPOINT_PASSWORD_FILE: server.passwordFile,
  STILLPOINT_STATE: join(server.folder, 'state'),
  STILLPOINT_SCRATCH: join(server.folder, 'scratch'),
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const { values, positionals } = parseArgs({
  options: { keep: { type: 'boolean' }, end: { type: 'boolean' } },
  allowPositionals: true,
});
await interruptible(async (signal) => {
  if (values.end) for (const folder of await endAbandoned(positionals)) say(`Ended and removed ${folder}`);
  else await demo(values.keep ?? false, signal);
});
