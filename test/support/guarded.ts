/** A run that has a guard, changes a setting, and then does nothing for ever: for tests that kill or stop it. */
import mysql from 'mysql2/promise';
import { startGuard, type Watch } from '../../src/hold/guard.ts';
import { thisRunner } from '../../src/hold/runner.ts';

const { argv, watch, login, act } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly argv: readonly string[];
  readonly watch: Omit<Watch, 'runner'>;
  readonly login: mysql.ConnectionOptions;
  readonly act: string;
};
await startGuard(argv, { ...watch, runner: await thisRunner() });
const client = await mysql.createConnection(login);
await client.query(act);
process.stdout.write('changed\n');
setInterval(() => undefined, 1_000);
