import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mediumOf } from '../../../src/repositories/directory/medium.ts';
import { judge321, type Place } from '../../../src/repositories/three-two-one.ts';

const LOCAL: Place = { name: 'local', medium: 'disk sda', offsite: false };
const NAS: Place = { name: 'nas', medium: 'nas:/backups', offsite: false };
const AWAY: Place = { name: 'away', medium: 'https://s3.example', offsite: true };

const CASES: [readonly Place[], string | undefined, boolean, string][] = [
  [
    [],
    undefined,
    false,
    '1 of 3 copies (the server); 0 of 2 media; none off-site. Missing: a repository, one on another',
  ],
  [[LOCAL], 'disk sda', false, '2 of 3 copies (the server, local); 1 of 2 media (disk sda); none off-site. Missing: a'],
  [
    [LOCAL, NAS],
    'disk sda',
    false,
    '3 copies (the server, local, nas); 2 media (disk sda, nas:/backups); none off-site.',
  ],
  [
    [LOCAL, { ...LOCAL, name: 'usb' }],
    undefined,
    false,
    '1 of 2 media (disk sda); none off-site. Missing: one on another',
  ],
  [
    [AWAY],
    'disk sda',
    false,
    '2 of 3 copies (the server, away); 2 media (disk sda, https://s3.example); off-site: away.',
  ],
  [
    [LOCAL, AWAY],
    'disk sda',
    true,
    '3 copies (the server, local, away); 2 media (disk sda, https://s3.example); off-site',
  ],
];
test.each(CASES)('STORE-6 3-2-1 in words: %j on %s', (places, server, met, text) => {
  const judged = judge321(places, server);
  expect(judged.met).toBe(met);
  expect(judged.text).toContain(text);
  expect(judged.text.startsWith(met ? '3-2-1 is met: ' : '3-2-1 is not met: ')).toBe(true);
});

test('STORE-6 two folders of one disk are one medium, another file system is another, and a missing folder counts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stillpoint-medium-'));
  try {
    const medium = await mediumOf(folder);
    expect(await mediumOf(join(folder, 'not', 'there', 'yet'))).toBe(medium);
    expect(await mediumOf('/proc')).not.toBe(medium);
    expect(medium).not.toBe('');
  } finally {
    await rm(folder, { recursive: true });
  }
});
