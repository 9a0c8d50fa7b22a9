/** What stands for a secret in a stored definition: `restore --as` asks for it or makes a new one. */
export const SECRET = '(secret)';

const NAMES =
  /pass(word|wd|phrase)?|pwd|secret|token|credential|private|(api|access|auth|encryption|master|root)_?key|_key$|dsn|connection_?string/i;
const URL_WITH_PASSWORD = /:\/\/[^/\s:@]*:[^/\s@]+@/;
/** Shorter ones would be found in everything. */
const SHORTEST = 4;

/** Whether a variable holds a secret, by its name or its value. A file that holds one is no secret by its path. */
const isSecret = (name: string, value: string): boolean =>
  (NAMES.test(name) && !/_FILE$/i.test(name) && !/^(true|false|yes|no|on|off|[01]|)$/i.test(value)) ||
  URL_WITH_PASSWORD.test(value);

const split = (line: string): readonly [string, string] => {
  const at = line.indexOf('=');
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
};

/** The variables with `(secret)` in place of each secret. */
export const safeEnvironment = (env: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(env.map(split).map(([name, value]) => [name, isSecret(name, value) ? SECRET : value] as const));

/**
 * Removes from any text of a definition (arguments, labels, health checks) what is a secret elsewhere, or looks like one.
 * A password that is a word of the public texts, such as `postgres`, cannot be told from that word and is left there.
 */
export function redactor(env: readonly string[], publicTexts: readonly string[]): <T>(value: T) => T {
  const known = env
    .map(split)
    .filter(([name, value]) => isSecret(name, value) && value.length >= SHORTEST)
    .map(([, value]) => value)
    .filter((value) => !publicTexts.some((it) => it.includes(value)));
  const text = (value: string): string =>
    known.some((it) => value.includes(it)) || URL_WITH_PASSWORD.test(value) ? SECRET : value;
  /** `--requirepass X`, `--password=X`, `-c password=X`. */
  const list = (values: readonly unknown[]): unknown[] =>
    values.map((value, at) => {
      const before = values[at - 1];
      if (typeof value !== 'string') return redact(value);
      if (typeof before === 'string' && /^--?[\w-]+$/.test(before) && NAMES.test(before)) return SECRET;
      const [name, given] = split(value);
      if (given !== '' && isSecret(name, given)) return `${name}=${SECRET}`;
      return text(value);
    });
  const redact = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return list(value);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [
        key,
        typeof one === 'string' && isSecret(key, one) ? SECRET : redact(one),
      ]),
    );
  };
  return redact as <T>(value: T) => T;
}
