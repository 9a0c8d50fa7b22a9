/** Runs `work` on up to `atOnce` items side by side and yields the results in the order of the items. */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      // Awaited in its turn below; until then a failure must not count as an unhandled rejection.
      result.catch(() => {});
      underWay.push(result);
      const oldest = underWay.length < atOnce ? undefined : underWay.shift();
      if (oldest !== undefined) yield await oldest;
    }
    for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) yield await next;
  } finally {
    await Promise.allSettled(underWay);
  }
}
