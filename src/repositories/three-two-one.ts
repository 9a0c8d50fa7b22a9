/** Where a backup is, or is configured to go. */
export interface Place {
  /** As the user calls it: `local`. */
  readonly name: string;
  /** What fails as one: a disk, a file server. Equal for two places that one failure takes. */
  readonly medium: string;
  /** Not in the building. */
  readonly offsite: boolean;
}

export interface Judgement {
  readonly met: boolean;
  readonly text: string;
}

/**
 * The old rule: three copies of the data, the server's own among them, on two media, one of them off-site.
 * `server` is the medium that the data itself lies on; absent where nobody knows.
 */
export function judge321(places: readonly Place[], server?: string): Judgement {
  const copies = ['the server', ...places.map(({ name }) => name)];
  const media = new Set([...(server === undefined ? [] : [server]), ...places.map(({ medium }) => medium)]);
  const offsite = places.filter((place) => place.offsite).map(({ name }) => name);
  const counted = [
    `${ofWhat(copies.length, 3, 'copies')} (${copies.join(', ')})`,
    `${ofWhat(media.size, 2, 'media')}${media.size > 0 ? ` (${[...media].join(', ')})` : ''}`,
    offsite.length > 0 ? `off-site: ${offsite.join(', ')}` : 'none off-site',
  ].join('; ');
  const missing = [
    ...(copies.length < 3 ? [places.length === 0 ? 'a repository' : 'a further repository'] : []),
    ...(media.size < 2 ? ['one on another medium'] : []),
    ...(offsite.length === 0 ? ['one off-site'] : []),
  ];
  if (missing.length === 0) return { met: true, text: `3-2-1 is met: ${counted}.` };
  return { met: false, text: `3-2-1 is not met: ${counted}. Missing: ${missing.join(', ')}.` };
}

const ofWhat = (count: number, wanted: number, what: string): string =>
  count < wanted ? `${count} of ${wanted} ${what}` : `${count} ${what}`;
