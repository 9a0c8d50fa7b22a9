import type { BackupId } from '../model/id.ts';
import type { Reason } from '../model/level.ts';
import type { BackupLine, Damage, Manifest, Verification } from '../model/manifest.ts';
import type { Plan } from '../model/plan.ts';
import type { Instant } from '../model/time.ts';
import type { Detected } from './detected.ts';

/** What each verb answers: the document that `-o json` prints and that the text is made from. */
export interface Bodies {
  readonly detect: Detected;
  readonly backup: Manifest;
  readonly plan: Plan;
  readonly list: Listing;
  readonly show: Shown;
  readonly 'show commands': ByHand;
  readonly check: Checked;
  readonly verify: Verified;
  readonly restore: Restored;
  readonly recover: Recovered;
  readonly forget: Forgotten;
  readonly pin: { readonly id: BackupId; readonly job: string; readonly pinned: boolean };
  readonly copy: Copied;
  readonly init: Written;
  readonly 'config validate': ValidConfig;
  readonly 'config show': { readonly path: string; readonly config: unknown; readonly yaml: string };
  readonly 'config schema': object;
  readonly 'recipe list': readonly RecipeLine[];
  readonly 'recipe show': {
    readonly name: string;
    readonly path: string;
    readonly sha256: string;
    readonly text: string;
  };
  readonly 'recipe grants': {
    readonly engine: string;
    readonly method: string;
    readonly statements: readonly { readonly sql: string; readonly versions?: string }[];
  };
  readonly 'recipe validate': { readonly name: string; readonly path: string; readonly sha256: string };
}

export type Answer = keyof Bodies;

/** What a command returns. */
export interface Result<A extends Answer = Answer> {
  readonly answer: A;
  readonly body: Bodies[A];
  /** Sentences that belong to the result: what a user should know before going on. */
  readonly notes?: readonly string[];
  /** What is still open, said on the line of the next command: `Not verified yet.` */
  readonly open?: string;
  /** The next command. */
  readonly next?: string;
  /** Absent: 0. */
  readonly exit?: number;
}

export interface Listing {
  readonly repository: string;
  readonly encrypted: boolean;
  readonly backups: readonly BackupLine[];
  /** Backups whose manifest cannot be read. */
  readonly damaged: readonly { readonly where: string; readonly text: string }[];
  /** Which of these backups further configured repositories hold too, or why one could not be asked. */
  readonly elsewhere: readonly {
    readonly repository: string;
    readonly holds: readonly BackupId[];
    readonly problem?: string;
  }[];
  /** The 3-2-1 rule for each configured job among them. */
  readonly rules: readonly { readonly job: string; readonly met: boolean; readonly text: string }[];
}

export interface Shown {
  readonly repository: string;
  readonly manifest: Manifest;
  readonly verifications: readonly Verification[];
}

export interface ByHand {
  readonly id: BackupId;
  readonly sources: readonly {
    readonly name: string;
    readonly engine: string;
    readonly position: string;
    readonly commands: readonly string[];
  }[];
}

export interface Checked {
  readonly repository: string;
  readonly backups: readonly {
    readonly id: BackupId;
    readonly job: string;
    readonly storedBytes: number;
    readonly damage: readonly Damage[];
  }[];
  readonly damaged: Listing['damaged'];
  readonly millis: number;
}

export interface Verified {
  readonly id: BackupId;
  readonly job: string;
  readonly verification: Verification;
}

export interface Restored {
  readonly id: BackupId;
  readonly restored: readonly {
    readonly source: string;
    readonly folder?: string;
    readonly ref?: string;
    /** Of a server that was there before: whether it runs. */
    readonly runs?: boolean;
  }[];
}

export interface Recovered {
  readonly found: number;
  readonly removed: number;
  readonly failed: readonly { readonly code: string; readonly message: string; readonly next: string }[];
}

export interface Forgotten {
  readonly repository: string;
  /** Nothing was removed: this is what would be. */
  readonly dryRun: boolean;
  readonly backups: readonly {
    readonly id: BackupId;
    readonly job: string;
    readonly at: Instant;
    readonly keep: boolean;
    /** Every reason to keep it, or the one to let it go. */
    readonly reasons: readonly Reason[];
    /** Why it is still there. */
    readonly failure?: string;
  }[];
}

export interface Copied {
  readonly id: BackupId;
  readonly job: string;
  readonly from: string;
  readonly to: string;
  /** Bytes that had arrived before, and bytes that came now. */
  readonly foundBytes: number;
  readonly copiedBytes: number;
  readonly millis: number;
}

export interface Written {
  readonly path: string;
  /** The file with the key that was made. */
  readonly key: string;
}

export interface ValidConfig {
  readonly path: string;
  readonly repositories: readonly string[];
  readonly jobs: readonly {
    readonly name: string;
    readonly sources: readonly string[];
    /** The 3-2-1 rule, judged in words. */
    readonly rule: { readonly met: boolean; readonly text: string };
  }[];
}

export interface RecipeLine {
  readonly engine: string;
  readonly title: string;
  readonly versions: string;
  readonly methods: readonly string[];
}
