import { randomInt } from 'node:crypto';

/** Names one run and the backup that it makes: eight characters without look-alikes (no i, l, o, u). */
export type RunId = string;
export type BackupId = RunId;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export const newId = (): RunId => Array.from({ length: 8 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

export const isId = (text: string): boolean => /^[0-9a-hjkmnp-tv-z]{8}$/.test(text);
