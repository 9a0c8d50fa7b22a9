import type { Scheme } from '../model/ref.ts';

/** The engine that speaks each URL scheme. */
export const engineOfScheme: Readonly<Record<Scheme, string>> = {
  postgres: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mariadb',
  mongodb: 'mongodb',
  redis: 'redis',
};
