import type { Facts, Offer } from '../model/facts.ts';
import type { Volume } from '../model/storage.ts';

/** What `detect` answers. */
export interface Detected {
  readonly instances: readonly Found[];
  /** What was looked at and is not a database, when asked for. */
  readonly skipped: readonly { readonly ref: string; readonly why: string }[];
  readonly looked: Looked;
  /** What could not be looked at. */
  readonly unseen: readonly { readonly where: string; readonly why: string }[];
  readonly millis: number;
}

/** One database server. */
export interface Found {
  readonly ref: string;
  readonly engine: string;
  readonly title: string;
  /** The evidence that decided, in words. */
  readonly because: readonly string[];
  readonly version?: string;
  readonly dataDirectory?: string;
  /** Where data, log and what else belongs to it really lie, in this order. */
  readonly storage: readonly Pick<Volume, 'path' | 'hostPath' | 'fileSystem' | 'id' | 'kind'>[];
  readonly facts?: Facts;
  readonly offers: readonly Offer[];
  /** Why it could not be asked. */
  readonly problem?: { readonly code: string; readonly message: string; readonly next: string };
}

export interface Looked {
  readonly containers: number;
  /** Of these, how many have no database. */
  readonly containersWithout: number;
  /** Programs of this machine that listen, outside of containers. */
  readonly programs: number;
}
