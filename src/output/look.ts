/** How text looks on the terminal that it is for. */
export interface Look {
  readonly width: number;
  readonly paint: Paint;
  /** Now, for ages. */
  readonly now: () => number;
  readonly verbose: boolean;
}

type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
export type Paint = Readonly<Record<Colour, (text: string) => string>>;

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Colours by standard escape codes, or nothing at all. */
export function paint(coloured: boolean): Paint {
  const one = (name: Colour) => (text: string) =>
    coloured && text !== '' ? `\u001b[${CODES[name][0]}m${text}\u001b[${CODES[name][1]}m` : text;
  return { bold: one('bold'), dim: one('dim'), red: one('red'), green: one('green'), yellow: one('yellow') };
}
