/** Runs `work` for every item, `most` at a time; yields the results as they come. The first failure ends it. */
export async function* bounded<T, R>(
  items: Iterable<T>,
  most: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running = new Map<number, Promise<readonly [number, R]>>();
  const first = async (): Promise<R> => {
    const [at, result] = await Promise.race(running.values());
    running.delete(at);
    return result;
  };
  let count = 0;
  for (const item of items) {
    const at = count++;
    const one = work(item).then((result) => [at, result] as const);
    // Whoever waits for the others hears of it in time; until then nobody does.
    one.catch(() => undefined);
    running.set(at, one);
    if (running.size >= most) yield await first();
  }
  while (running.size > 0) yield await first();
}
