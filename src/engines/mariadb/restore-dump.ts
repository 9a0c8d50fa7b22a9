import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { SourceRecord } from '../../model/manifest.ts';
import type { Login } from '../../model/secret.ts';
import type { Open } from '../../repositories/repository.ts';
import { newTar } from '../../runtimes/pack.ts';
import type { Target, Twin } from '../../runtimes/runtime.ts';
import { DumpHead } from './head.ts';
import { dumpName, systemName } from './names.ts';
import { accountName, TWIN_USER } from './objects.ts';
import { accountFile, neededOptions, socketOf, startServer, twinLogin } from './server.ts';
import { openSession } from './session.ts';
import { lastLines, NO_LIMIT } from './tools.ts';

/** Makes an empty server of the same kind and fills it: databases first, then users, because grants name tables. */
export async function restoreDump(source: SourceRecord, open: Open, into: Twin): Promise<Login> {
  const options = ['--auth-root-authentication-method=normal', '--skip-test-db', ...neededOptions(source)];
  await run(into, ['mariadb-install-db', '--no-defaults', `--datadir=${into.root}`, ...options], undefined);
  await into.write(accountFile());
  // What is loaded into a server that is thrown away need not be durable.
  await using session = await startServer(into, source, ['--innodb-flush-log-at-trx-commit=0']);
  const head = new DumpHead();
  await run(into, client(into), seenBy(head, await open(dumpName(source.name))));
  const { gtid = '', binlog = '', applied = '' } = source.position.values;
  head.check({ gtid, binlog, applied });
  if (source.database !== undefined) return twinLogin;
  await mayGrantProxy(into);
  // A new server has users of its own, which the source may not have had.
  const made = await session.query(
    `SELECT User AS user, Host AS host FROM mysql.global_priv WHERE User <> '${TWIN_USER}' AND JSON_VALUE(Priv, '$.is_role') IS NULL`,
  );
  for (const { user, host } of made) await session.query(`DROP USER ${accountName(user ?? '', host ?? '', false)}`);
  await run(into, client(into), await open(systemName(source.name)));
  return twinLogin;
}

function seenBy(head: DumpHead, dump: Readable): Readable {
  async function* seen(): AsyncGenerator<Buffer> {
    for await (const chunk of dump as AsyncIterable<Buffer>) {
      head.see(chunk);
      yield chunk;
    }
  }
  return Readable.from(seen(), { objectMode: false });
}

/** The right to be somebody else is no part of ALL, and the init file may not give it; the new server's root may. */
async function mayGrantProxy(into: Twin): Promise<void> {
  await using root = await openSession(into, { user: 'root' }, 'stillpoint/restore');
  await root.query(`GRANT PROXY ON ''@'%' TO '${TWIN_USER}'@'localhost' WITH GRANT OPTION`);
}

/** The dumps as they are, for the client. */
export async function dumpFiles(source: SourceRecord, open: Open, target: Target): Promise<void> {
  for (const { name, plainBytes } of source.artifacts) {
    if (!name.endsWith('.sql')) continue;
    const tar = newTar();
    const plain = await open(name);
    const entry = tar.entry({ name, mode: 0o600, size: plainBytes });
    const filled = pipeline(plain, entry).then(() => tar.finalize());
    filled.catch((cause: unknown) => tar.destroy(cause instanceof Error ? cause : new Error(String(cause))));
    await Promise.all([filled, target.write(tar as unknown as Readable)]);
  }
}

/** It stops at the first error of the server. */
const client = (into: Twin): readonly string[] => [
  'mariadb',
  '--no-defaults',
  '--protocol=socket',
  `--socket=${socketOf(into)}`,
  `--user=${TWIN_USER}`,
  '--default-character-set=utf8mb4',
  '--max-allowed-packet=1G',
  '--binary-mode',
];

/** Runs one to its end. Every error of it is a failure of the restore. */
async function run(into: Twin, argv: readonly string[], input: Readable | undefined): Promise<void> {
  await using process = await into.exec(argv, { env: { LC_ALL: 'C' }, limit: NO_LIMIT });
  const said: string[] = [];
  process.stdout.setEncoding('utf8').on('data', (text: string) => said.splice(0, said.length - 20, text));
  const fed = pipeline(input ?? Readable.from([]), process.stdin);
  const [feeding, ending] = await Promise.allSettled([fed, process.exit]);
  if (ending.status === 'rejected' || ending.value.code !== 0) {
    const { code, stderr } =
      ending.status === 'fulfilled' ? ending.value : { code: -1, stderr: messageOf(ending.reason) };
    throw new StillpointError(
      'restore-failed',
      `${argv[0]} failed on the restored server with exit status ${code}: ${lastLines(stderr) || lastLines(said.join(''))}`,
      ending.status === 'rejected' ? { cause: ending.reason } : {},
    );
  }
  if (feeding.status === 'rejected') throw feeding.reason;
}
