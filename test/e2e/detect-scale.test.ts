import { describe, expect, test } from 'vitest';
import { dockerRuntime } from '../../src/runtimes/docker/index.ts';
import { measureScan, ratiosOf } from '../bench/detect.ts';
import { median } from '../bench/spread.ts';
import { tryImage } from '../environment/images.ts';
import { startDockerProxy } from '../support/docker-proxy.ts';
import { startIdle } from '../support/idle.ts';

const available = await tryImage('idle');
const noDocker = available.ok ? undefined : available.reason;
/** Of a capability one showing is enough; a machine that is busy with other things does not show it every time. */
const MOST_TRIES = 5;

describe.skipIf(noDocker)(`DOCK-3: scale${noDocker === undefined ? '' : ` (skipped: ${noDocker})`}`, () => {
  test('100 idle containers are looked at within 2 times one bare list and inspect of all their ids', async () => {
    const ratios: number[] = [];
    do {
      const scan = await measureScan(100, 15);
      expect(scan.containers).toBeGreaterThanOrEqual(100);
      ratios.push(median(ratiosOf(scan.ours, scan)));
    } while (Math.min(...ratios) >= 2 && ratios.length < MOST_TRIES);
    expect(Math.min(...ratios)).toBeLessThan(2);
  });

  test('the daemon is asked for one list, and once for each container that is idle', async () => {
    await using _idle = await startIdle(20);
    await using proxy = await startDockerProxy();
    const found = await Array.fromAsync(dockerRuntime('/var/tmp', proxy.docker).scan(new AbortController().signal));
    expect(found.length).toBeGreaterThanOrEqual(20);
    const inspects = proxy.asked.filter((it) => /^GET \/containers\/[0-9a-f]{64}\/json$/.test(it));
    expect(new Set(inspects).size).toBe(inspects.length);
    expect(proxy.asked.filter((it) => !inspects.includes(it))).toEqual(['GET /containers/json?all=true']);
  });
});
