import { resolve } from 'node:path';
import type { World } from '../backup/world.ts';
import { nearest } from '../config/explain.ts';
import { StillpointError } from '../model/errors.ts';
import type { Manifest } from '../model/manifest.ts';
import { type Part, parseTable } from '../model/part.ts';
import { parseRef } from '../model/ref.ts';
import type { Result } from '../output/results.ts';
import { restoreAs } from '../restore/as.ts';
import { type Agree, chosenSources } from '../restore/choice.ts';
import { restoreFiles } from '../restore/files.ts';
import { type Destination, restoreInto } from '../restore/into.ts';
import type { Command, Context } from './command.ts';
import { alike } from './next.ts';
import type { Options } from './options.ts';
import { openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const restore: Command = async (context, [name, ...sources], options) => {
  if (name === undefined) throw new StillpointError('usage', 'Name a backup.', { next: 'stillpoint list' });
  checkOptions(name, options);
  const part: Part = { databases: options.database ?? [], tables: (options.table ?? []).map(parseTable), nearest };
  const repository = await openToRead(context, options, jobOf(name));
  const manifest = await repository.manifest(name);
  const { id } = manifest;
  const world = await context.world();
  const agree = agreeing(context, world, options);
  const { activate, replace, inPlace } = options;
  if (options.as !== undefined) {
    const how = { prefix: options.as, part, activate, agree };
    const risen = await restoreAs(world, repository, id, sources, how, context.signal);
    const restored = risen.map(({ source, ref }) => ({ source, ref }));
    return answer(id, restored, risen, `stillpoint plan ${risen[0]?.ref ?? 'REF'}   # or look into it`);
  }
  if (options.files !== undefined) {
    const folder = resolve(context.folder, options.files);
    const laid = await restoreFiles(world, repository, id, sources, folder, context.signal, part);
    const restored = laid.map(({ source, folder: place }) => ({ source, folder: place }));
    const next = `stillpoint show ${id} --commands${alike(context.environment, options)}   # how to go on by hand`;
    return answer(id, restored, laid, next);
  }
  const how = { part, replace, inPlace, activate, agree };
  const destinations = destinationsOf(manifest, sources, options);
  const arrived = await restoreInto(world, repository, id, destinations, how, context.signal);
  const restored = arrived.map(({ source, ref, runs }) => ({ source, ref, runs }));
  return answer(id, restored, arrived, `stillpoint plan ${arrived[0]?.ref ?? 'REF'}   # or look into it`);
};

const answer = (
  id: string,
  restored: Extract<Result<'restore'>['body'], object>['restored'],
  of: readonly { readonly notes: readonly string[] }[],
  next: string,
): Result<'restore'> => ({ answer: 'restore', body: { id, restored }, notes: of.flatMap((it) => it.notes), next });

/** Where it goes must be said once, and what is said must have a meaning there. */
function checkOptions(name: string, options: Options): void {
  const { as, into, inPlace, files, activate, replace } = options;
  const usage = (text: string): StillpointError =>
    new StillpointError('usage', text, { next: `stillpoint restore ${name} --as again-` });
  // With --in-place --into may say which of the sources.
  const ways = [as, into ?? (inPlace ? true : undefined), files].filter((it) => it !== undefined).length;
  if (ways !== 1)
    throw usage(
      'Say where to, in one way: as new servers with --as PREFIX, into an existing one with --into REF, as files with --files FOLDER.',
    );
  if (activate && files !== undefined)
    throw usage(
      '--activate is for servers; with --files nothing is started, and the files need the quarantine to recover.',
    );
  if (replace && as !== undefined) throw usage('--as makes new servers; there is nothing to replace.');
  if (replace && files !== undefined) throw usage('--files takes an empty folder; there is nothing to replace.');
  if (inPlace && as !== undefined) throw usage('--as makes new servers; --in-place restores into the old ones.');
}

/** `SOURCE=REF`, or a reference alone where there is one source; with --in-place alone, each to where it came from. */
function destinationsOf(manifest: Manifest, sources: readonly string[], options: Options): readonly Destination[] {
  const chosen = chosenSources(manifest, sources);
  if (options.into === undefined) return chosen.map((it) => ({ source: it.name, ref: withoutDatabase(it.ref) }));
  return options.into.map((text) => {
    const [, named, rest = ''] = /^([\w.-]+)=(.*)$/.exec(text) ?? [];
    if (named !== undefined) {
      const [source] = chosenSources(manifest, [named]);
      return { source: source?.name ?? named, ref: parseRef(rest) };
    }
    const [only, ...more] = chosen;
    if (only && more.length === 0) return { source: only.name, ref: parseRef(text) };
    throw new StillpointError('usage', `The backup has several sources: ${chosen.map((it) => it.name).join(', ')}.`, {
      next: `Say which one goes there: --into ${only?.name ?? 'SOURCE'}=${text}`,
    });
  });
}

function withoutDatabase(text: string): Destination['ref'] {
  const { database: _, ...ref } = parseRef(text);
  return ref;
}

/** Shows it, and asks unless --yes was given. */
const agreeing =
  (context: Context, world: World, options: Options): Agree =>
  async (source, lines, question) => {
    for (const text of lines) world.emit({ event: 'warning', source, reason: { code: 'consent', text } });
    if (options.yes) return;
    const agreed = await context.ask(question);
    if (agreed === true) return;
    const why = agreed === undefined ? `Nobody can be asked here: ${question}` : 'It was not agreed to.';
    throw new StillpointError('usage', why, {
      meaning: 'Nothing was replaced and nothing was woken.',
      next: 'Add --yes if it is meant.',
    });
  };
