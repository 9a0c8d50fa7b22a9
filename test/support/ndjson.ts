import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Results that are kept as they come, a line each: what was killed goes on where it was. */
export class Ndjson<T> {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** None where there is no such file. */
  async read(): Promise<readonly T[]> {
    const text = await readFile(this.#path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return '';
      throw cause;
    });
    return text
      .split('\n')
      .filter((it) => it !== '')
      .map((it) => JSON.parse(it) as T);
  }

  async append(line: T): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    await appendFile(this.#path, `${JSON.stringify(line)}\n`);
  }

  remove(): Promise<void> {
    return rm(this.#path, { force: true });
  }
}
