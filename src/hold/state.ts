import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, StillpointError } from '../model/errors.ts';
import { now } from '../model/time.ts';
import type { Entry, Journal, JournalEntry } from './journal.ts';
import { stateOf, thisRunner } from './runner.ts';

/** The journal as files: one a run, `runs/RUN.json` in the state directory, durable before each act. */
export function openJournal(stateDirectory: string): Journal {
  const folder = join(stateDirectory, 'runs');
  return {
    async begin(about): Promise<Entry> {
      let entry: JournalEntry = {
        ...about,
        sources: about.sources.map(({ name, ref, engine }) => ({ name, ref, engine })),
        ...(await thisRunner()),
        at: now(),
      };
      let kept = false;
      const path = join(folder, `${entry.run}.json`);
      await mkdir(folder, { recursive: true, mode: 0o700 }).catch(cannotWrite(stateDirectory));
      await writeDurably(folder, path, entry).catch(cannotWrite(stateDirectory));
      return {
        run: entry.run,
        async changing(changes) {
          entry = { ...entry, changes };
          await writeDurably(folder, path, entry);
        },
        async owing(owed) {
          entry = { ...entry, owed };
          await writeDurably(folder, path, entry);
        },
        keep() {
          kept = true;
        },
        async [Symbol.asyncDispose]() {
          if (!kept) await rm(path, { force: true });
        },
      };
    },
    async *entries() {
      for (const name of (await readdir(folder).catch(() => [])).filter((it) => it.endsWith('.json')).sort()) {
        const path = join(folder, name);
        const text = await readFile(path, 'utf8').catch(() => undefined);
        // It may have ended between the listing and now.
        if (text === undefined) continue;
        const entry = parse(text, path);
        if (entry instanceof StillpointError) yield { unreadable: entry };
        else yield { entry, state: await stateOf(entry), remove: () => rm(path, { force: true }) };
      }
    },
  };
}

function parse(text: string, path: string): JournalEntry | StillpointError {
  try {
    return JSON.parse(text) as JournalEntry;
  } catch (cause) {
    return new StillpointError('backup-failed', `The journal entry ${path} cannot be read: ${messageOf(cause)}.`, {
      meaning: 'What that run left cannot be told from it; the servers themselves can still be asked by name.',
      next: `stillpoint recover REF   # then remove ${path}`,
      cause,
    });
  }
}

async function writeDurably(folder: string, path: string, entry: JournalEntry): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(entry, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(folder, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

const cannotWrite = (stateDirectory: string) => (cause: unknown) => {
  throw new StillpointError(
    'preflight',
    `The state directory ${stateDirectory} cannot be written: ${messageOf(cause)}.`,
    {
      next: 'Make it writable for this user, or name another with STILLPOINT_STATE.',
      cause,
    },
  );
};
