import type { HookName, Packed } from '../hooks.ts';

/** The facts that the harness knows of a run without asking the system: its requests and the answers. */
export class Model {
  readonly deploys: Deploy[] = [];
  readonly moves: Move[] = [];
  readonly ingestions: Ingestion[] = [];
  readonly deposits: Deposit[] = [];
  /** The submitted ones: each an ingestion of one record. */
  readonly submissions: Ingestion[] = [];
  readonly retries: Told[] = [];
  readonly mints: Mint[] = [];
  /** Pauses of hooks, by name, or of ingestions, by id. */
  readonly pauses: Hold[] = [];
  /** Ends of pauses. */
  readonly resumes: Hold[] = [];
  readonly cancels: Hold[] = [];
  readonly recomputes: Recomputing[] = [];
  readonly replays: Replaying[] = [];
  readonly comparisons: Comparing[] = [];
  /** Codes by digest: the only way from a release's digest to what its rows must say. */
  readonly codes = new Map<string, { readonly hook: HookName; readonly token: string }>();
  /** The newest release of each hook, which a deploy that does not change it declares again. */
  readonly newest = new Map<HookName, Declared>();
  /** Each request for a release, with the parts that it named. */
  readonly releases: SentRelease[] = [];
  /** Runs, parts of replays and comparisons whose hook the harness ended: their records may be errored. */
  readonly brokenRuns = new Set<string>();
  /** Set when the disk was full: any hook may have failed then. */
  anyMayFail = false;
  readonly writes: Written[] = [];
  /** Answers that no client should get. */
  readonly strangeAnswers: string[] = [];
  private tokens = 0;
  private readonly imagesUsed = new Map<string, number>();

  /** The next of a hook's images. */
  nextImage(images: readonly Packed[]): Packed {
    const [first] = images;
    if (!first) throw new Error('there is no image');
    const used = this.imagesUsed.get(first.digest) ?? 0;
    this.imagesUsed.set(first.digest, used + 1);
    return images[used % images.length] ?? first;
  }

  token(hook: string): string {
    this.tokens += 1;
    return `${hook}-${this.tokens}`;
  }
}

/** All parts of a release. */
export interface Declared {
  readonly code: Packed;
  /** The one value of its config. */
  readonly config: string;
  /** The argument of its command; an image has none. */
  readonly argument: string;
  readonly seconds: number;
}

/** A request for a release. A part that it does not name may be that of any release. */
export interface SentRelease {
  readonly hook: HookName;
  readonly parts: Partial<Declared>;
  /** The subject who asked. */
  readonly by: string;
  readonly sentAt: number;
  /** The version that the answer named. */
  version?: number;
}

/** One write, with all its tries. */
export interface Written {
  readonly what: string;
  /** Whether its tries have one key. */
  readonly keyed: boolean;
  readonly isPart: boolean;
  /** The ids of the tokens of its tries. */
  readonly tokens: string[];
  end: 'done' | 'refused' | 'unknown';
  /** Whether nobody is told of it. */
  readonly untold?: boolean;
}

/** One request. Times are milliseconds since 1970, by the clock that PostgreSQL has too. */
export interface Told {
  readonly what: string;
  readonly sentAt: number;
  /** Until then nobody knows whether it is stored. */
  ackedAt?: number;
  /** The code of a refusal that is an answer too. */
  refused?: string;
}

export interface Deploy extends Told {
  readonly hooks: readonly HookName[];
  id?: string;
}

/** A release without a deploy. */
export interface Mint extends Told {
  readonly hook: HookName;
  /** Whether it was to go live. */
  readonly live: boolean;
  version?: number;
  /** False when the answer says that it was there already. */
  created?: boolean;
}

export interface Hold extends Told {
  readonly of: string;
}

export interface Move extends Told {
  readonly hook: HookName;
  readonly cancelRunning: boolean;
  seq?: number;
  version?: number;
  /** The version that was live before. */
  left?: number;
  changed?: boolean;
  /** With `cancelRunning`: how many batches keep the version that was left, by ingestion. */
  kept?: readonly {
    readonly ingestion_id: string | null;
    readonly recompute_id: string | null;
    readonly batches: number;
  }[];
  /** Whether the rows of the version that is left are computed again, and by which recompute. */
  readonly heal: boolean;
  recompute?: string | undefined;
}

export interface Recomputing extends Told {
  readonly hook: HookName;
  id?: string;
}

export interface Deposit extends Told {
  id?: string;
  /** Decisions about it, as the answers named them: one at most. */
  readonly decisions: ('approve' | 'reject' | 'withdraw')[];
}

export interface Replaying extends Told {
  readonly hook: HookName;
  id?: string;
}

export interface Comparing extends Told {
  readonly hook: HookName;
  readonly version: number;
  readonly seed: string;
  readonly sample: number | undefined;
  /** Whether it was asked for when all was quiet. */
  readonly isLast: boolean;
  id?: string;
}

export interface Ingestion extends Told {
  readonly records: readonly Sent[];
  id?: string;
}

export interface Sent {
  readonly source: string;
  /** A number; anything else is against the schema. */
  readonly value: number | string;
}
