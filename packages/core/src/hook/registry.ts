import type { Answer, ParsedBody } from '../api/index.ts';
import type { DeployRequest } from '../convention/convention.ts';
import type { FieldDefinition } from '../record/schema.ts';
import type { FeatureContract } from './hook.ts';
import type { Config, NormalLimits, ReleaseContent, Runtime } from './release.ts';

/**
 * The registry: conventions, schemas, hooks, releases and the live pointer, as they are stored.
 * Locks are taken in one order everywhere: convention, hooks by name, schema.
 */
export interface RegistryWrites extends RegistryState {
  /**
   * Makes what the request names and is missing: the convention, the hooks, the id of the schema for this convention. Locks
   * the convention, then the hooks in name order, against claims, releases, moves and other deploys. The answer is what was
   * stored before: no convention that was made here, and hooks that were made here as `created`.
   */
  lockDeclared(naming: Naming, request: DeployRequest): Promise<Declared>;
  insertSchema(schema: {
    id: string;
    version: string;
    title: string;
    fields: readonly FieldDefinition[];
    openText: boolean;
  }): Promise<void>;
  /** Locks one hook for a command of an operator. @throws OsaError `busy` when it is locked for long */
  holdHook(name: string): Promise<HeldHook | undefined>;
  /** The unfinished batches that were claimed with a release of the hook, and keep it. */
  claimedBatches(hook: string): Promise<ClaimedBatch[]>;
  /**
   * Ends these batches, of a hook that is locked; their records go into new batches, which take the live releases.
   * Gives those that were ended; one that somebody else holds is not among them.
   */
  claimAgain(batches: readonly ClaimedBatch[], reason: string): Promise<readonly ClaimedBatch[]>;
  recordBlob(sha256: string, size: number): Promise<void>;
  /** Mints the version after the last of a hook, and makes it live if it shall be. */
  mint(minting: Minting): Promise<MintOutcome>;
  /** Notes where else the code of known releases comes from, if that names a commit for its bytes. */
  addSources(sources: readonly HookSource[]): Promise<void>;
  /** Moves the pointer of a locked hook, with its live change. */
  move(
    hook: StoredHook,
    change: { to: number; kind: 'rollback' | 'activate'; reason: string | null },
  ): Promise<LiveChange>;
  /** Pauses a hook, or ends its pause where there is no `pause`; undefined when there is no such hook. */
  setPause(
    hook: string,
    pause: { readonly reason: string | null } | null,
  ): Promise<Answer<'pauseHook'> | undefined>;
  /** The live change that made a locked hook's pointer what it is. */
  currentChange(hook: StoredHook): Promise<LiveChange>;
  /** The version that a rollback of a locked hook goes back to: `rollback_to` of its `showHook`. */
  rollbackTarget(hook: string): Promise<number | undefined>;
  versions(hook: string): Promise<number[]>;
  createFeatureTable(hook: string): Promise<void>;
  updateConvention(slug: string, request: DeployRequest): Promise<void>;
  /** Why none of the workers that run can start the live releases of the convention; null when one can. */
  unstartable(slug: string): Promise<Answer<'deploy'>['unstartable']>;
  recordDeploy(deploy: {
    id: string;
    slug: string;
    manifest: DeployRequest;
    plan: Pick<Answer<'planDeploy'>, 'changed' | 'changes'>;
  }): Promise<{ at: string }>;
}

/** Where the code of a release comes from. */
export interface HookSource {
  readonly hook: string;
  readonly version: number;
  readonly source_ref: string;
}

/** A locked hook. */
export interface HeldHook {
  readonly hook: StoredHook;
  /** The hook's `claimedBatches`, seen under the lock: no further batch is claimed with its releases. */
  readonly claimed: readonly ClaimedBatch[];
}

/** The stored state that a deploy reads at one moment. */
export interface RegistryState {
  convention(slug: string): Promise<StoredConvention | undefined>;
  /** Those of the named hooks that exist. */
  hooks(names: readonly string[]): Promise<StoredHook[]>;
  /** All that is stored of what a declaration names. */
  declared(naming: Naming): Promise<Declared>;
}

/** The things that a declaration names. */
export interface Naming {
  readonly slug: string;
  readonly schema: { readonly id: string; readonly version: string };
  /** With the fingerprints of their declared releases. */
  readonly hooks: readonly { readonly name: string; readonly fingerprint: string }[];
  /** Digests of packed directories. */
  readonly digests: readonly string[];
}

export interface Declared {
  readonly convention: StoredConvention | undefined;
  readonly schemaOwner: string | undefined;
  readonly schema: StoredSchema | undefined;
  /** Those that exist, by name. */
  readonly hooks: readonly DeclaredHook[];
  /** Those of the digests of which a packed directory is stored. */
  readonly blobs: ReadonlySet<string>;
}

export interface DeclaredHook extends StoredHook {
  /** The release with the declared fingerprint, if there is one, and whether it is or was live. */
  readonly known: {
    readonly version: number;
    readonly source_ref: string;
    readonly once_live: boolean;
  } | null;
  /** The live release, where that is not the known one. */
  readonly live: StoredRelease | null;
}

/** Each answer is the route's body; undefined is "not found". */
export interface RegistryReads {
  conventions(page: Page): Promise<Answer<'listConventions'>>;
  convention(slug: string): Promise<Answer<'showConvention'> | undefined>;
  hooks(page: Page): Promise<Answer<'listHooks'>>;
  hook(name: string): Promise<Answer<'showHook'> | undefined>;
  releases(name: string, page: Page): Promise<Answer<'listReleases'> | undefined>;
  release(name: string, version: number): Promise<Answer<'showRelease'> | undefined>;
  /** Undefined without such a hook. Nothing is locked. */
  mintingBase(hook: string, said: Said): Promise<MintingBase | undefined>;
  history(
    name: string,
    page: Page & { readonly at?: string | undefined },
  ): Promise<Answer<'history'> | undefined>;
  deploys(page: Page & { readonly convention?: string | undefined }): Promise<Answer<'listDeploys'>>;
  deploy(id: string): Promise<Answer<'showDeploy'> | undefined>;
  currentRows(hook: string): Promise<Answer<'currentRows'> | undefined>;
  blobSize(sha256: string): Promise<number | undefined>;
}

export interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface StoredConvention {
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly license: string | null;
  readonly schema: { readonly id: string; readonly version: string };
  readonly file_requirements: unknown;
  readonly curation: 'auto' | 'manual';
  readonly approve_own: boolean;
  readonly docs: unknown;
  readonly ingester: unknown;
  readonly hooks: readonly string[];
}

export interface StoredSchema {
  readonly fields: readonly FieldDefinition[];
  /** Whether its text without a rule takes any value. */
  readonly openText: boolean;
}

export interface StoredHook {
  readonly name: string;
  readonly owner: string;
  readonly feature: FeatureContract;
  readonly releaseCount: number;
  readonly liveSeq: number | null;
  readonly liveVersion: number | null;
  readonly isPaused: boolean;
  /** Whether this transaction made it. */
  readonly created: boolean;
}

/** An unfinished batch that was claimed, and the version of the hook that it runs. */
export interface ClaimedBatch {
  readonly batch: string;
  /** The run of the hook that it was claimed for. */
  readonly run: string;
  /** The batch's ingestion; null for one of a recompute. */
  readonly ingestion: string | null;
  readonly recompute: string | null;
  readonly convention: string;
  readonly version: number;
}

/** The parts of a release that a request names. */
export interface Said {
  readonly runtime: Runtime | undefined;
  readonly digest: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly config: Config | undefined;
  /** Keys of the config, where the whole config is not said. */
  readonly set: Config | undefined;
  readonly limits: Partial<NormalLimits>;
}

/** The stored releases that a request to mint is compared with and completed from. */
export interface MintingBase {
  readonly live: StoredRelease | null;
  /**
   * The known release that a request means: it has the digest that was said, or that of the live release, and agrees
   * with every other part that was said. If there are several, it is the live one, else the newest.
   */
  readonly known: StoredRelease | null;
  readonly releaseCount: number;
}

export type StoredRelease = ReleaseContent & { readonly version: number };

/** A release to be minted, and under which conditions. Without a `source_ref` only a release that is known comes back. */
export interface Minting {
  readonly hook: string;
  readonly content: Omit<ReleaseContent, 'source_ref'> & { readonly source_ref: string | null };
  readonly fingerprint: string;
  readonly live: boolean;
  readonly reason: string | null;
  /** The live version that parts of the content were carried over from; null where none was live. */
  readonly seen: number | null;
  /** Whether the digest is among these parts. */
  readonly carriesDigest: boolean;
  /** How many releases there were when it was asked whether this one is known. */
  readonly seenReleases: number;
  readonly expected: Expected;
  /** Whether to append `hook.released` to the outbox; a deploy reports its releases itself. */
  readonly told: boolean;
}

/** Where a caller saw the live pointer. */
export type Expected = Pick<ParsedBody<'activate'>, 'expected_live_seq' | 'expected_live_version'>;

/**
 * `known`: this very release was there. `answered`: the request was, under the same key; here is its answer. Nothing was done for `unknown` (no such hook), `unexpected` (the pointer is
 * elsewhere), `moved` (the carried-over release is not live any more, or there is a newer release of this digest),
 * `missing` (the packed directory is not stored) and `unsourced` (there is no such release, and nobody said where its
 * code comes from).
 */
export type MintOutcome =
  | { readonly outcome: 'minted' | 'known'; readonly release: Minted }
  | { readonly outcome: 'answered'; readonly answer: Answer<'release'> }
  | {
      readonly outcome: 'unknown' | 'unexpected' | 'moved' | 'missing' | 'unsourced';
      readonly live_seq: number | null;
      readonly live_version: number | null;
    };

export type Minted = Omit<Answer<'release'>, 'created'>;

export interface LiveChange {
  readonly seq: number;
  readonly from_version: number | null;
  readonly to_version: number;
  readonly release_id: string;
  readonly at: string;
}
