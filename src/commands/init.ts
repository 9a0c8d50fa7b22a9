import { rm, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { StillpointError } from '../model/errors.ts';
import { nameOfRef, parseRef } from '../model/ref.ts';
import type { Detected } from '../output/detected.ts';
import { createKeyFile } from '../repositories/key-file.ts';
import type { Command } from './command.ts';
import { detectAll } from './detect.ts';
import { alike } from './next.ts';

/** Writes a configuration and a key. Never over another: both files are made, or an error says which is in the way. */
export const init: Command = async (context, _args, options) => {
  const path = resolve(context.folder, options.config ?? 'stillpoint.yaml');
  const key = path.replace(/(\.ya?ml)?$/, '.key');
  const detected = await detectAll(await context.world(), context.signal);
  const job = detected.instances.length > 0 ? 'all' : 'example';
  const recipient = await neverOver(key, () => createKeyFile(key));
  try {
    const text = template(detected, job, recipient, basename(key));
    await neverOver(path, () => writeFile(path, text, { flag: 'wx', mode: 0o600 }));
  } catch (cause) {
    // Nothing is encrypted for a key that nobody was told of.
    await rm(key);
    throw cause;
  }
  return {
    answer: 'init',
    body: { path, key },
    next: `stillpoint plan ${job}${alike(context.environment, options)}`,
  };
};

async function neverOver<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new StillpointError('config-invalid', `${path} is there already.`, {
      next: 'stillpoint config validate   # or name another file: stillpoint init -c FILE',
      cause,
    });
  }
}

/** A configuration to read and change: what is optional stands there as a comment. */
export function template({ instances }: Detected, job: string, recipient: string, key: string): string {
  const found = instances.map(
    (it) => `      ${nameOfRef(parseRef(it.ref))}: ${JSON.stringify(it.ref)}   # ${it.title}`,
  );
  const sources =
    found.length > 0 ? found : ['      example: "postgres://127.0.0.1:5432"   # none was found: put yours here'];
  return `# Stillpoint: what is backed up, and where to. Check it with: stillpoint config validate
repositories:
  local:
    directory: /var/backups/stillpoint   # or a folder relative to this file
    encryption:                          # without this part it is stored as plain files
      recipients: [${recipient}]
      identity: { file: ${key} }   # keep a copy elsewhere: without it no backup can be read

jobs:
  ${job}:              # stillpoint backup ${job}
    repository: local
    sources:           # two or more are cut at one instant
${sources.join('\n')}
      # with a login:
      # orders: { ref: "postgres://127.0.0.1:5432", user: stillpoint, password: { file: /etc/stillpoint/orders } }
    # coordinate: false
    # hold: 10s        # the longest that writes may be held; the server ends it; 30s at most
    # onOverrun: fail  # or downgrade: keep the backup, claim less
`;
}
