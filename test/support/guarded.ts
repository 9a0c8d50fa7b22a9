/** A run that has a guard, changes a setting, and then does nothing for ever: for tests that kill or stop it. */
import mysql from 'mysql2/promise';
import { type Guarded, startGuard } from '../../src/hold/guard.ts';

const { argv, watch, login, act } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly argv: readonly string[];
  readonly watch: Guarded;
  readonly login: mysql.ConnectionOptions;
  readonly act: string;
};
await startGuard(argv, watch);
const client = await mysql.createConnection(login);
await client.query(act);
process.stdout.write('changed\n');
setInterval(() => undefined, 1_000);
