/** What a terminal shows in the end: enough of one to know the two codes that we send, up and erase. */
export function terminal(): { write(text: string): void; rows(): readonly string[] } {
  const rows: string[] = [''];
  return {
    write(text) {
      for (const part of text.replaceAll('\u001b[', '~').split(/(~\d*[AJ]|\n)/)) {
        const up = /^~(\d+)A$/.exec(part);
        if (up) rows.splice(rows.length - 1 - Number(up[1]), Number.POSITIVE_INFINITY, '');
        else if (part === '\n') rows.push('');
        else if (part !== '~J') rows[rows.length - 1] += part;
      }
    },
    rows: () => rows.slice(0, -1),
  };
}
