import type { Command } from './command.ts';
import type { OptionName } from './options.ts';

/** One verb as users type it. The command line and its help are made from this table; code is loaded when it is called. */
export interface Verb {
  readonly name: string;
  readonly args: string;
  readonly help: string;
  /** 1: on the first screen. */
  readonly screen: 1 | 2;
  readonly options: readonly OptionName[];
  readonly examples: readonly string[];
  /** What to know before using it. */
  readonly more?: string;
  /** What it means for the data when it is interrupted; absent: that nothing was changed. */
  readonly stopped?: string;
  readonly load: () => Promise<Command>;
}

export const VERBS: readonly Verb[] = [
  {
    name: 'detect',
    args: '',
    help: 'what can be backed up here, how well, and what is in the way',
    screen: 1,
    options: ['all'],
    examples: ['stillpoint detect'],
    load: async () => (await import('./detect.ts')).detect,
  },
  {
    name: 'backup',
    args: '<job-or-ref...>',
    help: 'back up a job of the configuration, or servers by reference',
    screen: 1,
    options: ['to', 'method', 'keepSnapshot', 'dryRun'],
    examples: ['stillpoint backup postgres://127.0.0.1:5432 --to /backups', 'stillpoint backup shop -n'],
    more: 'Writes are held for milliseconds, or not at all; the server itself ends a hold that lasts. Ctrl-C lets writes go first, then exits.',
    stopped: 'No backup was made. Every hold was released before this ended; writes flow.',
    load: async () => (await import('./backup.ts')).backup,
  },
  {
    name: 'list',
    args: '[job]',
    help: 'backups: level claimed, last verification, hold, size',
    screen: 1,
    options: ['from'],
    examples: ['stillpoint list', 'stillpoint list shop -o json'],
    load: async () => (await import('./list.ts')).list,
  },
  {
    name: 'show',
    args: '[id]',
    help: 'one backup, with the evidence for what it claims',
    screen: 1,
    options: ['from', 'source', 'commands'],
    examples: ['stillpoint show latest', 'stillpoint show 7f3k9q2m --commands'],
    more: 'ID is eight characters or an unambiguous beginning, JOB@latest, or latest.',
    load: async () => (await import('./show.ts')).show,
  },
  {
    name: 'verify',
    args: '[id]',
    help: 'restore into a throwaway server and compare',
    screen: 1,
    options: ['from'],
    examples: ['stillpoint verify 7f3k9q2m', 'stillpoint verify shop@latest'],
    more: 'Other tools call reading the bytes a verification; here that is check. verify restores, starts the server away from any network, stops at the recorded point, and compares tables, sequences, roles and schema. Only this makes a backup verified.',
    stopped: 'Nothing was recorded, and the throwaway server is gone. The source was not touched.',
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'restore',
    args: '<id> [source...]',
    help: 'bring a backup back: new servers, existing ones, files',
    screen: 1,
    options: ['from', 'as', 'into', 'inPlace', 'files', 'database', 'table', 'replace', 'activate'],
    examples: [
      'stillpoint restore 7f3k9q2m --as again-',
      'stillpoint restore 7f3k9q2m --into docker:new-pg',
      'stillpoint restore 7f3k9q2m --in-place --table public.orders --replace',
      'stillpoint restore 7f3k9q2m --files /srv/restored',
    ],
    more: '--as makes containers from the stored definition, also after docker rm: same image and settings, storage of their own, no published port. --into loads a running server by its own tools (files of a physical backup are brought up in a throwaway server first and dumped from there), or gives its files to a stopped container of the same image. Nothing that exists is replaced without --replace, which shows what it would be and asks; where nobody can be asked, --yes is needed, too. Restored files are quarantined: archiving, replication and preloaded libraries are off until --activate.',
    stopped:
      'What was being restored is gone or, with --files, in part in the folder: remove it. With --into, a database or a stopped container that was being filled may be half full.',
    load: async () => (await import('./restore.ts')).restore,
  },
  {
    name: 'recover',
    args: '[ref...]',
    help: 'end and remove what dead runs left: holds, slots, servers',
    screen: 1,
    options: ['from', 'run'],
    examples: ['stillpoint recover', 'stillpoint recover postgres://127.0.0.1:5432 --run 7f3k9q2m'],
    more: 'Safe beside a healthy run: it asks the servers and leaves alone what is alive.',
    stopped: 'What was named as removed is gone; the rest is as it was.',
    load: async () => (await import('./recover.ts')).recover,
  },
  {
    name: 'init',
    args: '',
    help: 'write a commented stillpoint.yaml; never overwrites',
    screen: 2,
    options: [],
    examples: ['stillpoint init'],
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'plan',
    args: '<job-or-ref...>',
    help: 'every step with its statement and limit; holds nothing',
    screen: 2,
    options: ['to', 'method', 'keepSnapshot'],
    examples: ['stillpoint plan shop', 'stillpoint plan postgres://127.0.0.1:5432 -o json'],
    load: async () => (await import('./plan.ts')).plan,
  },
  {
    name: 'check',
    args: '[id]',
    help: 're-read every stored byte against its digests',
    screen: 2,
    options: ['from'],
    examples: ['stillpoint check', 'stillpoint check 7f3k9q2m'],
    load: async () => (await import('./check.ts')).check,
  },
  {
    name: 'forget',
    args: '[job]',
    help: 'remove what the keep rules let go; -n shows what and why',
    screen: 2,
    options: ['from', 'keep', 'dryRun'],
    examples: ['stillpoint forget shop -n', 'stillpoint forget shop --keep last=3,daily=7,weekly=4'],
    more: 'Never the newest verified backup of a source, never a pinned one, never one that a kept one needs. Rules count backups, not days: a job that stopped loses nothing.',
    stopped: 'What was named as removed is gone; the rest is whole.',
    load: async () => (await import('./forget.ts')).forget,
  },
  {
    name: 'pin',
    args: '[id]',
    help: 'keep a backup whatever the rules say; --off lets it go',
    screen: 2,
    options: ['from', 'off'],
    examples: ['stillpoint pin 7f3k9q2m', 'stillpoint pin 7f3k9q2m --off'],
    load: async () => (await import('./pin.ts')).pin,
  },
  {
    name: 'copy',
    args: '[id]',
    help: 'the same bytes to a further repository',
    screen: 2,
    options: ['from', 'to'],
    examples: ['stillpoint copy 7f3k9q2m --to /mnt/usb', 'stillpoint copy shop@latest --to offsite'],
    more: 'Every file is compared with its digest after it has arrived; a copy that was cut goes on where it was. It needs no key: what is encrypted stays encrypted for whom it was.',
    stopped: 'What has arrived stays, and the next copy goes on from there. It is not listed before it is whole.',
    load: async () => (await import('./copy.ts')).copy,
  },
  {
    name: 'config validate',
    args: '',
    help: 'find mistakes in stillpoint.yaml, with their lines',
    screen: 2,
    options: [],
    examples: ['stillpoint config validate -c /etc/stillpoint/stillpoint.yaml'],
    load: async () => (await import('./config.ts')).validate,
  },
  {
    name: 'config show',
    args: '',
    help: 'the configuration as it is understood, without secrets',
    screen: 2,
    options: [],
    examples: ['stillpoint config show'],
    load: async () => (await import('./config.ts')).show,
  },
  {
    name: 'config schema',
    args: '',
    help: 'JSON Schema of stillpoint.yaml, for editors',
    screen: 2,
    options: [],
    examples: ['stillpoint config schema > stillpoint.schema.json'],
    load: async () => (await import('./config.ts')).schema,
  },
  {
    name: 'recipe list',
    args: '',
    help: 'the engines, and how each can be captured',
    screen: 2,
    options: [],
    examples: ['stillpoint recipe list'],
    load: async () => (await import('./recipe.ts')).list,
  },
  {
    name: 'recipe show',
    args: '<engine>',
    help: 'every statement sent to an engine; --grants: its role',
    screen: 2,
    options: ['grants', 'method'],
    examples: ['stillpoint recipe show postgresql', 'stillpoint recipe show postgresql --grants | psql'],
    load: async () => (await import('./recipe.ts')).show,
  },
  {
    name: 'recipe validate',
    args: '<engine-or-file>',
    help: 'find mistakes in a recipe of your own',
    screen: 2,
    options: [],
    examples: ['stillpoint recipe validate ./my-postgresql.yaml'],
    load: async () => (await import('./recipe.ts')).validate,
  },
];
