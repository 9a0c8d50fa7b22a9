import { z } from 'zod';
import { Secret } from '../model/secret.ts';
import { PLACEHOLDERS } from '../snapshots/command-settings.ts';
import { parseDuration, parseRate } from './units.ts';

/** stillpoint.yaml. The one source of validation, of `config schema`, and of docs/config.schema.json. */

/** No server is held longer, whatever is asked for: see docs/promises.md. */
export const LONGEST_HOLD = 30_000;

/** For a hook that says nothing else. */
const HOOK_TIMEOUT = 30_000;

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'use letters, digits, dots, dashes and underscores');

/** Durations and rates are checked by the very reader that reads them, so that no second grammar can drift. */
const measure = (read: (text: string) => number | undefined, help: string, pattern: string) =>
  z
    .string()
    .transform((text, context) => {
      const value = read(text);
      if (value === undefined) context.addIssue({ code: 'custom', message: `write ${help}` });
      return value ?? 0;
    })
    .meta({ pattern });

const duration = measure(parseDuration, '10s, 5m, 1h30m or 7d', '^(\\d+(\\.\\d+)?(ms|[smhdw]))+$');
const rate = measure(parseRate, '100MB/s', '^\\d+(\\.\\d+)?\\s*[kmgtpKMGTP]?i?[bB]?/s$');

const secret = z
  .union([
    z.string().transform((text) => new Secret(text)),
    z.strictObject({ file: z.string().describe('A file that holds it; mode 0600') }),
    z.strictObject({ env: z.string().describe('An environment variable that holds it') }),
  ])
  .describe('A secret: a file or an environment variable that holds it; written here only if this file is 0600');

const argv = z.array(z.string()).min(1).describe('A program and its arguments; never a shell string');
/** Arguments with placeholders: one that is misspelt would be passed on as it stands. */
const filling = (list: typeof argv) =>
  list.superRefine((all, context) => {
    for (const [, key = ''] of all.join(' ').matchAll(/\{(\w+)\}/g)) {
      if ((PLACEHOLDERS as readonly string[]).includes(key)) continue;
      const known = PLACEHOLDERS.map((it) => `{${it}}`).join(', ');
      context.addIssue({ code: 'custom', message: `there is no {${key}}; there are ${known}` });
    }
  });
const hookTimeout = duration.prefault('30s').describe('After this it is killed, with everything it started');
/** A plain argv is one with nothing said about it. */
const hook = (more: { readonly drains?: z.ZodType<boolean | undefined> }) =>
  z.array(
    z.union([
      argv.transform((run) => ({ run, timeout: HOOK_TIMEOUT, drains: false })),
      z
        .strictObject({ run: argv, timeout: hookTimeout, ...more })
        .transform(({ run, timeout, ...rest }) => ({ run, timeout, drains: 'drains' in rest && rest.drains === true })),
    ]),
  );
const hooks = hook({});
const drains = z.boolean().optional().describe('Exit 0 acknowledges that the application has stopped');

const login = {
  user: z.string().optional().describe('Who logs in'),
  password: secret.optional(),
  loginDatabase: z.string().optional().describe('The database to log in to; not the one to back up'),
};

const method = z
  .enum(['snapshot', 'copy', 'dump', 'auto'])
  .describe('How to capture it; auto, the default, is the best that is possible');

const source = z
  .union([
    z.string().transform((ref) => ({ ref })),
    z.strictObject({
      ref: z.string().describe('docker:NAME, compose:PROJECT/SERVICE, k8s:NS/POD or postgres://host:5432'),
      method: method.optional(),
      ...login,
    }),
  ])
  .describe('One database server, by its reference');

const repository = z.strictObject({
  directory: z.string().describe('A folder; relative to this file'),
  offsite: z.boolean().optional().describe('Not in the building: for the 3-2-1 rule'),
  medium: z.string().optional().describe('What fails as one with it, where the folder does not show it: a disk, a NAS'),
  encryption: z
    .strictObject({
      recipients: z
        .array(z.string().startsWith('age1', 'is not an age recipient (age1...)'))
        .min(1)
        .optional()
        .describe('Public keys; the key of any one of them opens what is stored'),
      passphrase: secret.optional().describe('Instead of recipients'),
      identity: secret.optional().describe('The key, for reading: verify, gate and restore need it'),
    })
    .refine((it) => (it.recipients === undefined) !== (it.passphrase === undefined), 'name recipients, or a passphrase')
    .optional(),
});

const verify = z.strictObject({
  after: z.literal('backup').optional().describe('Verify every backup as soon as it is made'),
  every: duration.optional().describe('Verify when the newest verified backup is older'),
  queries: z
    .array(z.strictObject({ source: name, sql: z.string() }))
    .optional()
    .describe('Each must return one true on the restored copy'),
});

const count = z.int().min(0, 'must be 0 or more');
const keep = z.strictObject({
  last: count.optional(),
  hourly: count.optional(),
  daily: count.optional(),
  weekly: count.optional(),
  monthly: count.optional(),
  yearly: count.optional(),
});

const job = z.strictObject({
  sources: z.record(name, source).describe('What is backed up together; two or more are cut at one instant'),
  coordinate: z.boolean().default(true).describe('false: the sources need not be cut at one instant'),
  hold: duration
    .pipe(z.number().max(LONGEST_HOLD, 'the longest hold is 30s').min(100, 'the shortest hold is 100ms'))
    .prefault('10s')
    .describe('The longest that writes may be held; the server ends it; 30s at most'),
  onOverrun: z.enum(['fail', 'downgrade']).default('fail').describe('When the hold cannot be had, or ends early'),
  repository: name.optional().describe('Where it is stored; needed where there are several'),
  copies: z.array(name).optional().describe('Further repositories that get the same bytes'),
  verify: verify.optional(),
  keep: keep.optional(),
  limits: z.strictObject({ streams: z.int().min(1, 'must be 1 or more').optional(), rate: rate.optional() }).optional(),
  hooks: z
    .strictObject({
      before: hook({ drains }).optional(),
      held: hooks.optional(),
      after: hooks.optional(),
      failed: hooks.optional(),
    })
    .optional(),
});

const snapshotter = z
  .strictObject({
    covers: z
      .string()
      .startsWith('/', 'write an absolute path')
      .describe('The folder that one snapshot holds as of one instant'),
    create: filling(argv).describe('Makes the snapshot {name}; returns at the cut'),
    find: filling(argv).describe('Prints the names of all snapshots, one a line'),
    remove: filling(argv).describe('Removes the snapshot {name}'),
    keep: filling(argv).describe('Renames the snapshot {name} to {kept}'),
    files: z
      .string()
      .startsWith('/', 'write an absolute path')
      .describe('Where the files of covers are seen in the snapshot {name}'),
    open: filling(argv).optional().describe('Makes them to be seen at {files}: mount'),
    close: filling(argv).optional().describe('Takes that back: umount'),
    timeout: duration.prefault('30s').describe('After this a program and all that it started are killed'),
  })
  .refine((it) => (it.open === undefined) === (it.close === undefined), 'name both open and close, or neither')
  .describe('A way to cut storage by programs of your own: docs/snapshots.md');

export const configSchema = z.strictObject({
  repositories: z.record(name, repository).default({}),
  jobs: z.record(name, job).default({}),
  snapshotters: z.record(name, snapshotter).default({}).describe('Ways to cut storage by programs of your own'),
  recipes: z.record(name, z.string()).default({}).describe('Your own copy of a recipe, by engine'),
});

export type ConfigData = z.output<typeof configSchema>;
export type JobConfig = ConfigData['jobs'][string];
export type RepositoryConfig = ConfigData['repositories'][string];
export type SecretConfig = z.output<typeof secret>;

/** JSON Schema of what a user writes, for editors. */
export const configJsonSchema = (): object => ({
  title: 'stillpoint.yaml',
  ...z.toJSONSchema(configSchema, { io: 'input', reused: 'inline' }),
});
