import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { StillpointError } from '../model/errors.ts';
import { nameOfRef, parseRef } from '../model/ref.ts';
import type { Detected } from '../output/results.ts';
import type { Command } from './command.ts';
import { detectAll } from './detect.ts';

export const init: Command = async (context, _args, options) => {
  const path = resolve(context.folder, options.config ?? 'stillpoint.yaml');
  const detected = await detectAll(await context.world(), context.signal);
  try {
    await writeFile(path, template(detected), { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new StillpointError('config-invalid', `${path} is there already; it was not touched.`, {
      next: `stillpoint init -c OTHER   # or: stillpoint config validate`,
      cause,
    });
  }
  const job = detected.instances.length > 0 ? 'all' : 'example';
  return { answer: 'init', body: { path }, next: `stillpoint plan ${job}` };
};

/** A configuration to read and change: everything that is optional stands there as a comment. */
export function template({ instances }: Detected): string {
  const found = instances.map(
    (it) => `      ${nameOfRef(parseRef(it.ref))}: ${JSON.stringify(it.ref)}   # ${it.title}`,
  );
  const sources =
    found.length > 0 ? found : ['      example: "postgres://127.0.0.1:5432"   # none was found: put yours here'];
  return `# Stillpoint: what is backed up, and where to. Check it with: stillpoint config validate
repositories:
  local:
    directory: /var/backups/stillpoint   # or a folder relative to this file

jobs:
  ${found.length > 0 ? 'all' : 'example'}:                 # stillpoint backup ${found.length > 0 ? 'all' : 'example'}
    repository: local
    sources:           # two or more are cut at one instant
${sources.join('\n')}
      # with a login:
      # orders: { ref: "postgres://127.0.0.1:5432", user: stillpoint, password: { file: /etc/stillpoint/orders } }
    # method: copy     is chosen for you; stillpoint plan says why
    # coordinate: false
    # hold: 10s        # the longest that writes may be held; the server ends it; 30s at most
    # onOverrun: fail  # or downgrade: keep the backup, claim less
`;
}
