/** What GNU's tar, busybox's tar and find say of a tree that changes while they read it; that is no fault. */
const HARMLESS = [
  /: (Warning: )?(Cannot (l?stat|open): )?No such file or directory$/,
  /: File removed before we read it$/,
  /: file changed as we read it$/,
  /: File shrank by \d+ bytes?; padding with zeros$/,
  /^tar: (Exiting with failure status|error exit delayed)/,
];
/** Busybox's tar ends when a file has shrunk below the size that it had announced. */
const SHRANK = /^tar: short read$/;

/** Listens to what a tool prints, line by line, for as long as it runs: what it said first must not be pushed out. */
export class Faults {
  readonly all: string[] = [];
  shrank = false;
  #line = '';

  readonly hear = (text: string): void => {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) {
      if (SHRANK.test(line)) this.shrank = true;
      else if (line !== '' && !HARMLESS.some((it) => it.test(line))) this.all.push(line);
    }
  };
}
