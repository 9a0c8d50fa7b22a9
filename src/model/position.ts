/** Where in an engine's history a source was cut. A restore stops exactly here. */
export interface Position {
  /** What a person would quote: `restore point stillpoint-7f3k9q2m at 0/3000148`. */
  readonly text: string;
  /** What the engine needs to stop there and to read it back: its own names and values. */
  readonly values: Readonly<Record<string, string>>;
}
