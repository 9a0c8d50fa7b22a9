import { bytes, count, millis, wrap } from '../../src/output/format.ts';
import type { Shown } from '../../src/output/results.ts';
import type { Embedded } from '../embedded/postgres.ts';
import type { Count } from './shop.ts';
import { PROGRAM } from './stillpoint.ts';
import { slowest, type Write } from './writers.ts';

export interface Story {
  readonly shown: Shown;
  readonly writes: readonly Write[];
  /** After the verification, while the writers go on. */
  readonly now: Count;
}

/** What happened, for somebody who sees this for the first time. Only what was measured. */
export function summary({ shown, writes, now }: Story): string {
  const { manifest, verifications } = shown;
  const [source] = manifest.sources;
  const held = Object.values(manifest.window?.held ?? {})[0]?.held;
  const verification = verifications.at(-1);
  if (source === undefined || held === undefined || verification === undefined) {
    throw new Error('the backup has no source, no hold or no verification');
  }
  const { tables, rows } = verification.compared;
  if (tables < now.tables) throw new Error(`only ${tables} of ${now.tables} tables were compared`);
  const sum = (key: 'plainBytes' | 'storedBytes') => source.artifacts.reduce((bytes, it) => bytes + it[key], 0);
  const [from, to] = [Date.parse(held.from), Date.parse(held.to)];
  const before = writes.filter((write) => write.to < Date.parse(manifest.started));
  const during = writes.filter(
    (write) => write.to >= Date.parse(manifest.started) && write.from <= Date.parse(manifest.ended),
  );
  const apart = during.filter((write) => write.to < from || write.from > to);
  const verdict = verification.good
    ? 'every table and every row is identical to the moment of the backup'
    : `${count(verification.differences.length)} DIFFERENCES were found; they are named above`;
  return [
    '',
    'What happened here',
    ...entry(
      'Captured',
      `all ${now.tables} tables with ${count(rows)} rows, exactly as they were committed at ${held.from.slice(11, 23)} UTC:` +
        ` ${bytes(sum('plainBytes'))} of files, stored in ${bytes(sum('storedBytes'))}.`,
    ),
    ...entry(
      'Held',
      `writes stood still for ${millis(held.millis)}, once. The slowest write of that moment took` +
        ` ${millis(slowest(writes, from, to))}; of the other ${count(apart.length)} during the backup` +
        ` ${millis(slowest(apart))}, and of the ${count(before.length)} before it ${millis(slowest(before))}.`,
    ),
    ...entry('Verified', `restored into a second PostgreSQL and compared: ${verdict}.`),
    ...entry(
      'Meanwhile',
      `the shop went on: ${count(now.rows)} rows now, ${count(now.rows - rows)} more than in the backup.`,
    ),
    '',
  ].join('\n');
}

const LEFT = 11;

function entry(word: string, text: string): string[] {
  return wrap(text, 78 - LEFT).map((line, at) => `  ${(at === 0 ? word : '').padEnd(LEFT)}${line}`);
}

/** How to look around in what `--keep` left, and how to end it. */
export function farewell(server: Embedded, environment: Readonly<Record<string, string>>): string {
  return [
    'The server runs on and the backup stays. Look around:',
    '',
    `  cd ${server.folder}`,
    `  alias stillpoint='${process.execPath} ${PROGRAM}'`,
    ...Object.entries(environment).map(([name, value]) => `  export ${name}=${value}`),
    '  stillpoint list --from backups',
    '  stillpoint show latest --from backups --commands   # how to restore by hand',
    `  stillpoint backup ${server.url} --to backups`,
    `  psql -h 127.0.0.1 -p ${server.port} -U ${server.user} shop   # password: ${server.password}`,
    '',
    `End it and remove everything: npm run demo -- --end ${server.folder}`,
  ].join('\n');
}
