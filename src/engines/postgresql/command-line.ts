import { ASLEEP } from './quarantine.ts';

/** Settings on the command line win over every file (manual 20.1.3): those that would wake the server are set to what the quarantine says. */
export const quarantined = (argv: readonly string[]): readonly string[] =>
  argv.map((word, at) => {
    const [, option = '', name = ''] = /^(-c\s*|--)?([A-Za-z_-]+)=/.exec(word) ?? [];
    const setting = name.replaceAll('-', '_').toLowerCase();
    const isSetting = option !== '' || argv[at - 1] === '-c';
    return isSetting && ASLEEP[setting] !== undefined ? `${option}${name}=${ASLEEP[setting]}` : word;
  });
