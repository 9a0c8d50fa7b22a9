/**
 * A bank over two servers without distributed transactions: money leaves one server in a transaction (`sent`), arrives
 * on the other in a second one (`received`), and a third marks it `settled` where it was sent. Each is caused by the one
 * before, so a pair of backups that holds an effect without its cause is of two moments.
 */
export const SERVERS = ['postgres', 'mariadb'] as const;
export type ServerName = (typeof SERVERS)[number];

export const ACCOUNTS = 100;
/** On each server, before any transfer. */
export const OPENING = ACCOUNTS * 10_000;

export const other = (server: ServerName): ServerName => (server === 'postgres' ? 'mariadb' : 'postgres');

const tables = (engine: string, balance: string): readonly string[] => [
  `CREATE TABLE accounts (id int PRIMARY KEY, cents bigint NOT NULL)${engine}`,
  `CREATE TABLE sent (id bigint PRIMARY KEY, account int NOT NULL, cents bigint NOT NULL, settled int NOT NULL DEFAULT 0)${engine}`,
  `CREATE TABLE received (id bigint PRIMARY KEY, account int NOT NULL, cents bigint NOT NULL)${engine}`,
  `INSERT INTO accounts SELECT ${balance}`,
];

export const SCHEMA: Readonly<Record<ServerName, readonly string[]>> = {
  postgres: tables('', `g, ${OPENING / ACCOUNTS} FROM generate_series(1, ${ACCOUNTS}) g`),
  mariadb: tables(' ENGINE = InnoDB', `seq, ${OPENING / ACCOUNTS} FROM seq_1_to_${ACCOUNTS}`),
};
