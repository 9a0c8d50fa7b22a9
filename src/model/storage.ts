/** Where some of an instance's files really lie. */
export interface Volume {
  /** The path as the server sees it. */
  readonly path: string;
  /** The same on this host, when this host can read it. */
  readonly hostPath?: string;
  readonly fileSystem: string;
  /** What is mounted there: device, subvolume, volume name. Equal for two paths on one volume. */
  readonly id: string;
  readonly kind: 'host' | 'volume' | 'bind' | 'layer' | 'tmpfs';
  readonly freeBytes: number;
}
