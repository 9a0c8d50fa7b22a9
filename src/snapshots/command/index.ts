import { mkdir, realpath, rmdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isId, type RunId } from '../../model/id.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { Reason } from '../../model/level.ts';
import type { Volume } from '../../model/storage.ts';
import { startInterval } from '../../model/time.ts';
import { contains, mountsOf } from '../../runtimes/mounts.ts';
import { treeOf } from '../../runtimes/tree.ts';
import { type CommandSettings, filled, type Values } from '../command-settings.ts';
import { runProgram } from '../program.ts';
import { checkSame, mountedBelow } from '../same.ts';
import type { Snapshotter, StorageCut } from '../snapshotter.ts';

/** Snapshots by programs of the configuration: ZFS, LVM, storage arrays. What they claim to cut at one instant is believed. */
export function commandSnapshotter(called: string, settings: CommandSettings): Snapshotter {
  const name = `command:${called}` as const;
  let taken = 0;
  const run = (argv: readonly string[], values: Values): Promise<string> =>
    runProgram(
      argv.map((it) => filled(it, values)),
      settings.timeout,
    );
  const settle = async (): Promise<void> =>
    void (await runProgram(['sync', '--file-system', settings.covers], settings.timeout));
  const cut = async (covers: string, id: RunId): Promise<StorageCut> => {
    taken++;
    const values = valuesFor(settings, id, taken);
    const since = startInterval();
    try {
      await run(settings.create, values);
    } catch (cause) {
      if ((await names(settings)).includes(values.name)) await run(settings.remove, values);
      throw cause;
    }
    const at = since();
    let opened: Promise<void> | undefined;
    let kept = false;
    const close = async (): Promise<void> => {
      if (opened) await unseen(settings, values, run);
      opened = undefined;
    };
    return {
      at,
      keptAs: [values.kept],
      async open(volume) {
        opened ??= seen(settings, values, run);
        await opened;
        return treeOf(await checkSame(join(values.files, relative(covers, volume.hostPath ?? '')), volume));
      },
      async keep() {
        await close();
        await run(settings.keep, values);
        kept = true;
      },
      async [Symbol.asyncDispose]() {
        if (kept) return;
        await close();
        await run(settings.remove, values);
      },
    };
  };
  return {
    name,
    async probe(volumes) {
      const reasons = await obstacles(name, settings, volumes);
      return reasons.length > 0
        ? { oneInstant: false, reasons }
        : { snapshotter: name, unit: settings.covers, oneInstant: true, reasons: [] };
    },
    settle,
    async ready(volumes, id) {
      await settle();
      const covers = await realpath(settings.covers);
      await Promise.all(volumes.map((it) => stat(it.hostPath ?? '')));
      return { cut: () => cut(covers, id), [Symbol.asyncDispose]: async () => undefined };
    },
    async *leftovers(): AsyncGenerator<Leftover> {
      for (const found of await names(settings)) {
        const [, id = '', number = ''] = /^stillpoint-(\w{8})-(\d+)$/.exec(found) ?? [];
        if (!isId(id)) continue;
        const values = valuesFor(settings, id, Number(number));
        yield {
          run: id,
          kind: 'snapshot',
          what: `snapshot ${found} of ${name}`,
          holds: false,
          async remove() {
            if ((await mountsOf('self')).some((it) => it.point === values.files)) await unseen(settings, values, run);
            if ((await names(settings)).includes(found)) await run(settings.remove, values);
          },
        };
      }
    },
  };
}

type Run = (argv: readonly string[], values: Values) => Promise<string>;

function valuesFor({ covers, files }: CommandSettings, run: RunId, number: number): Values {
  const name = `stillpoint-${run}-${number}`;
  const values = { name, kept: `kept-${name}`, run, covers };
  return { ...values, files: filled(files, values) };
}

/** The last part of each line: `tank/pg@NAME`, or the name alone. */
async function names({ find, timeout, covers }: CommandSettings): Promise<readonly string[]> {
  const output = await runProgram(
    find.map((it) => filled(it, { covers })),
    timeout,
  );
  return output.split('\n').map(
    (it) =>
      it
        .trim()
        .split(/[@/\s]/)
        .at(-1) ?? '',
  );
}

async function seen({ open }: CommandSettings, values: Values, run: Run): Promise<void> {
  if (!open) return;
  await mkdir(values.files, { recursive: true, mode: 0o700 });
  await run(open, values);
}

async function unseen({ open, close }: CommandSettings, values: Values, run: Run): Promise<void> {
  if (close) await run(close, values);
  if (open) await rmdir(values.files);
}

async function obstacles(
  name: string,
  { covers }: CommandSettings,
  volumes: readonly Volume[],
): Promise<readonly Reason[]> {
  const top = await realpath(covers).catch(() => undefined);
  if (top === undefined) return [{ code: 'not-covered', text: `${name} covers ${covers}, which is not there` }];
  const { dev } = await stat(top, { bigint: true });
  const found: Reason[] = [];
  for (const { path, hostPath } of volumes) {
    if (hostPath === undefined || !contains(top, hostPath))
      found.push({ code: 'not-covered', text: `${name} covers only ${covers}, and not ${path}` });
    else if ((await stat(hostPath, { bigint: true })).dev !== dev)
      found.push({
        code: 'not-covered',
        text: `${path} is on another file system than ${covers}, which ${name} covers`,
      });
  }
  return [
    ...found,
    ...mountedBelow(
      await mountsOf('self'),
      volumes.flatMap((it) => it.hostPath ?? []),
    ),
  ];
}
