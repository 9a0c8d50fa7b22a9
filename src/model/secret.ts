import { inspect } from 'node:util';

/** A password that cannot be printed by accident: not by JSON, not by a template, not by console.log. */
export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  reveal(): string {
    return this.#text;
  }
  toJSON(): string {
    return '(secret)';
  }
  toString(): string {
    return '(secret)';
  }
  [inspect.custom](): string {
    return '(secret)';
  }
}

/** How to log in. No password means that the server's own rules (trust, peer) must let `user` in. */
export interface Login {
  readonly user: string;
  readonly password?: Secret;
  /** The database to log in to; not the one to back up. */
  readonly database?: string;
}
