import { isMap, isScalar, LineCounter, type Node, type Pair, parseDocument, stringify } from 'yaml';

/** A YAML file that still knows its lines. */
export interface Yaml {
  readonly value: unknown;
  readonly faults: readonly { readonly line: number; readonly text: string }[];
  /** The line of what `path` names: of its key where it has one; else of the nearest thing above it. */
  line(path: readonly PropertyKey[]): number;
}

export function readYaml(text: string): Yaml {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const lineAt = (offset: number): number => counter.linePos(offset).line;
  return {
    value: document.errors.length > 0 ? undefined : document.toJS(),
    faults: document.errors.map((it) => ({ line: lineAt(it.pos[0]), text: it.message })),
    line(path) {
      let line = 1;
      let node: unknown = document.contents;
      for (const key of path) {
        const pair: Pair | undefined = isMap(node)
          ? node.items.find((it) => isScalar(it.key) && String(it.key.value) === String(key))
          : undefined;
        if (pair && isScalar(pair.key) && pair.key.range) line = lineAt(pair.key.range[0]);
        node = pair
          ? pair.value
          : (node as Node & { get?: (key: PropertyKey, keep: true) => unknown })?.get?.(key, true);
        if (!pair && (node as Node | undefined)?.range) line = lineAt((node as Node).range?.[0] ?? 0);
      }
      return line;
    },
  };
}

export const writeYaml = (value: unknown): string => stringify(value, { lineWidth: 100 });
