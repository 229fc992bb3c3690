import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, ParsedBody } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { eventOf } from '../recompute/recomputes.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { newerThanLive, unknownHook, unknownRelease } from './hook.ts';
import type { ClaimedBatch, Expected, RegistryWrites, StoredHook } from './registry.ts';

/**
 * Moves the live pointer of a hook back. Once this has answered, no batch is first claimed with the release that
 * was live before. Going to the version that is live already changes nothing and makes no history entry. Batches that were
 * claimed before keep that release, unless `cancel_running` ends them: then their records are claimed again. With `heal`, the
 * same transaction makes the recompute of the rows of the release that is left.
 *
 * @throws OsaError `not_found` (hook, version), `conflict` (nothing to go back to, or a newer version),
 * `precondition_failed` (the pointer has moved since the caller looked), `access_denied`, `busy`.
 */
export async function rollback(
  store: Store,
  writer: Writer,
  hookName: string,
  request: ParsedBody<'rollback'>,
): Promise<Answer<'rollback'>> {
  return movePointer(store, writer, hookName, {
    kind: 'rollback',
    request,
    choose: (registry, hook) => chooseRollback(registry, hook, request.to),
  });
}

/**
 * Makes any release of a hook the live one, forward or back.
 *
 * @throws OsaError `not_found` (hook, version), `precondition_failed`, `access_denied`, `busy`.
 */
export async function activate(
  store: Store,
  writer: Writer,
  hookName: string,
  request: ParsedBody<'activate'>,
): Promise<Answer<'activate'>> {
  return movePointer(store, writer, hookName, {
    kind: 'activate',
    request,
    choose: async (_registry, hook) => existing(hook, request.version, 'version'),
  });
}

/** @throws OsaError `precondition_failed` when the locked pointer is not where the caller saw it */
function requireExpected({ name, liveSeq, liveVersion }: StoredHook, expected: Expected): void {
  const { expected_live_seq: seq, expected_live_version: version } = expected;
  if ((seq === undefined || seq === liveSeq) && (version === undefined || version === liveVersion)) return;
  throw pointerMoved(name, { live_seq: liveSeq, live_version: liveVersion });
}

/** The pointer is not where the caller saw it, but as `state` says. */
export function pointerMoved(
  hook: string,
  state: { readonly live_seq: number | null; readonly live_version: number | null },
): OsaError {
  const { live_seq, live_version } = state;
  const now = live_version === null ? 'none is live' : `version ${live_version} is live (change ${live_seq})`;
  return new OsaError(
    'precondition_failed',
    `the live pointer of ${hook} has moved meanwhile: ${now}; look again and repeat`,
    { details: { live_version, live_seq } },
  );
}

interface Move {
  readonly kind: 'rollback' | 'activate';
  readonly request: Expected & {
    readonly reason?: string | undefined;
    readonly cancel_running?: boolean | undefined;
    readonly heal?: boolean | undefined;
  };
  readonly choose: (registry: RegistryWrites, hook: StoredHook) => Promise<number>;
}

/** How long batches that somebody else holds are tried again, and how often. Commits of small batches take less. */
const heldMs = 400;
const retryMs = 50;

/** Ends a try to move the pointer, since somebody else holds a batch that was to be ended. */
class BatchesHeld extends Error {}

async function movePointer(
  store: Store,
  writer: Writer,
  hookName: string,
  move: Move,
): Promise<Answer<'activate'>> {
  requireScope(writer.principal, 'hooks:write', hookName);
  const deadline = performance.now() + heldMs;
  for (;;) {
    const isLast = performance.now() > deadline;
    try {
      const answer = await store.write(writer, (parts) =>
        moveOnce(parts, writer, hookName, { ...move, mayLeave: isLast }),
      );
      await failpoint('live.after-commit');
      return answer;
    } catch (error) {
      if (!(error instanceof BatchesHeld)) throw error;
      await delay(retryMs);
    }
  }
}

/**
 * Pointer, history and batches change together or not at all. A batch that is being written or claimed cannot be ended. With
 * `mayLeave` the pointer moves all the same, and the answer says that the batch keeps its release.
 */
async function moveOnce(
  { registry, recomputes, event }: WriteTransaction,
  writer: Writer,
  hookName: string,
  { kind, request, choose, mayLeave }: Move & { readonly mayLeave: boolean },
): Promise<Answer<'activate'>> {
  const held = await registry.holdHook(hookName);
  await failpoint('live.after-lock');
  if (!held) throw unknownHook(hookName);
  const { hook, claimed } = held;
  requireExpected(hook, request);
  const target = await choose(registry, hook);
  const reason = request.reason ?? null;
  const changed = target !== hook.liveVersion;
  const others = claimed.filter(({ version }) => version !== target);
  const left = changed ? others.filter(({ version }) => version === hook.liveVersion) : others;
  const why = whyEnded(writer, hook.name, { target, reason });
  const ended = request.cancel_running ? await registry.claimAgain(left, why) : [];
  if (request.cancel_running && ended.length < left.length && !mayLeave) throw new BatchesHeld();
  const batches = ended.map(({ batch }) => batch);
  const kept = others.filter((batch) => !ended.includes(batch));
  const seq = (hook.liveSeq ?? 0) + 1;
  const told = { hook: hook.name, seq, from: hook.liveVersion, to: target, reason };
  // Sent together, in this order: others wait for the hook. Keys prove that the heal names the change that was made.
  const [change, , healing] = await Promise.all([
    changed ? registry.move(hook, { to: target, kind, reason }) : registry.currentChange(hook),
    changed && event(kind === 'rollback' ? 'hook.rolled_back' : 'hook.activated', told),
    request.heal && changed && hook.liveVersion !== null
      ? recomputes.create(
          { ...hook, liveVersion: target, liveSeq: seq },
          { ...healOf(hook.liveVersion, { seq, to: target }), reason, claimed: kept },
        )
      : null,
  ]);
  if (healing) await event('recompute.created', eventOf(healing));
  if (batches.length > 0) await event('batches.claimed_again', { hook: hook.name, batches });
  return {
    hook_name: hook.name,
    changed,
    from_version: hook.liveVersion,
    live_version: target,
    live_seq: change.seq,
    live_release_id: change.release_id,
    reason,
    at: change.at,
    still_running: byIngestion(kept),
    claimed_again: byIngestion(ended),
    recompute: healing,
  };
}

/** Exactly the rows of the release that is left. */
function healOf(left: number, { seq, to }: { readonly seq: number; readonly to: number }) {
  const healed = { seq, from_version: left, to_version: to };
  return { releases: [left], convention: null, list: null, withMissing: false, recall: null, healed };
}

function whyEnded(
  { principal }: Writer,
  hook: string,
  { target, reason }: { readonly target: number; readonly reason: string | null },
): string {
  const why = `cancelled by ${principal.subject}, who made v${target} of ${hook} live`;
  return reason === null ? why : `${why}: ${reason}`;
}

/** Claimed batches, counted for each ingestion and release. */
export function byIngestion(batches: readonly ClaimedBatch[]): Answer<'activate'>['still_running'] {
  const groups = Map.groupBy(
    batches,
    ({ ingestion, recompute, version }) => `${ingestion ?? recompute} ${version}`,
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const { version, ingestion, recompute, convention } = first;
    const of = { ingestion_id: ingestion, recompute_id: recompute };
    return { version, ...of, convention_id: convention, batches: group.length };
  });
}

async function chooseRollback(
  registry: RegistryWrites,
  hook: StoredHook,
  wanted: number | undefined,
): Promise<number> {
  const live = hook.liveVersion;
  if (live === null) {
    throw new OsaError('conflict', `hook ${hook.name} has no live release, so there is nothing to roll back`);
  }
  const target = wanted ?? (await registry.rollbackTarget(hook.name));
  if (target === undefined) {
    throw nowhereToGo(hook.name, live, await registry.versions(hook.name));
  }
  if (existing(hook, target, 'to') > live) {
    throw newerThanLive(hook.name, target, live);
  }
  return target;
}

/** No rollback without a version goes anywhere; one with a version may. */
function nowhereToGo(name: string, live: number, versions: readonly number[]): OsaError {
  const older = versions.filter((version) => version < live);
  const back =
    older.length === 0
      ? `version ${live} is its oldest release`
      : `nobody has gone from an older version to version ${live}, so name one of ${older.join(', ')} with --to`;
  return new OsaError(
    'conflict',
    `hook ${name}: ${back}; its releases are ${versions.join(', ')}, and \`osa hooks activate ${name} <version>\` ` +
      'makes any of them live',
    { field: 'to', details: { live_version: live, versions } },
  );
}

/** @throws OsaError `not_found` */
function existing(hook: StoredHook, version: number, field: string): number {
  if (version <= hook.releaseCount) return version;
  throw unknownRelease({ name: hook.name, release_count: hook.releaseCount }, version, field);
}
