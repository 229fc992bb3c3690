import type { Answer, ParsedBody } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import { unknownConvention } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import { unknownHook, unknownRelease } from '../hook/hook.ts';
import type { StoredHook } from '../hook/registry.ts';
import { bounds } from '../limits.ts';
import type { Store, Writer, WriteTransaction } from '../store.ts';
import { listed } from './listed.ts';
import { recalledSelection } from './recalled.ts';
import { eventOf, type Recompute, type Selection } from './recomputes.ts';

type Request = ParsedBody<'planRecompute'>;

/**
 * Computes published records again with the live release of a hook, which each batch takes when it is claimed. New
 * outcomes supersede those of the selected releases; no row is deleted.
 *
 * @throws OsaError `not_found` (hook, release, convention, records), `conflict` (no live release, a paused hook),
 * `invalid`, `access_denied`, `busy`
 */
export async function recompute(
  store: Store,
  writer: Writer,
  hookName: string,
  { reason, ...request }: ParsedBody<'recompute'>,
): Promise<Recompute> {
  requireScope(writer.principal, 'hooks:write', hookName);
  return store.write(writer, async (parts) => {
    const { registry, recomputes, event } = parts;
    const held = await registry.holdHook(hookName);
    if (!held) throw unknownHook(hookName);
    const { hook, claimed } = held;
    const selection = await select(parts, hook, request);
    const made = await recomputes.create(hook, {
      ...selection,
      ...{ reason: reason ?? null, healed: null, claimed },
    });
    await event('recompute.created', eventOf(made));
    return made;
  });
}

/** Plans a recompute. Nothing is stored. @throws OsaError as `recompute` */
export async function planRecompute(
  store: Store,
  writer: Writer,
  hookName: string,
  request: Request,
): Promise<Answer<'planRecompute'>> {
  requireScope(writer.principal, 'hooks:write', hookName);
  return store.write({ principal: writer.principal }, async (parts) => {
    const [stored] = await parts.registry.hooks([hookName]);
    const hook = found(stored, hookName);
    const selection = await select(parts, hook, request);
    const { records, rows, missing, inReview, estimatedSeconds } = await parts.recomputes.count(
      hook.name,
      selection,
    );
    return {
      hook_name: hook.name,
      live_version: liveOf(hook),
      releases: [...selection.releases],
      records,
      rows,
      missing,
      in_review: inReview,
      batches: Math.ceil(records / bounds.defaultBatchRecords),
      estimated_seconds: estimatedSeconds,
    };
  });
}

async function select(parts: WriteTransaction, hook: StoredHook, request: Request): Promise<Selection> {
  const { recomputes, registry } = parts;
  const { convention: only, records, recalled } = request;
  const releases = request.releases && [...new Set(request.releases)];
  const convention = only ?? null;
  const live = liveOf(hook);
  if (hook.isPaused) {
    throw new OsaError(
      'conflict',
      `hook ${hook.name} is paused, so nothing of it can run; \`osa hooks resume ${hook.name}\` ends the pause`,
      { field: 'name' },
    );
  }
  for (const version of releases ?? []) requireStale(hook, version, live);
  if (convention !== null) await requireConvention({ recomputes, registry }, hook.name, convention);
  if (recalled !== undefined) {
    return recalledSelection(parts, { hook, live, recall: recalled, convention, releases, records });
  }
  const list = records ? await listed(recomputes, hook.name, { records, convention }) : null;
  return {
    releases: releases ?? (await recomputes.staleReleases(hook.name, live)),
    convention,
    list,
    withMissing: releases === undefined,
    recall: null,
  };
}

function liveOf({ name, liveVersion }: StoredHook): number {
  if (liveVersion !== null) return liveVersion;
  throw new OsaError(
    'conflict',
    `hook ${name} has no live release, so nothing can be computed with it; \`osa hooks activate ${name} <version>\` makes one live`,
    { field: 'name' },
  );
}

function requireStale(hook: StoredHook, version: number, live: number): void {
  if (version > hook.releaseCount) {
    throw unknownRelease({ name: hook.name, release_count: hook.releaseCount }, version, 'releases');
  }
  if (version !== live) return;
  throw new OsaError(
    'invalid',
    `releases: v${live} of ${hook.name} is live, so its rows are what a recompute would make; name another release`,
    { field: 'releases' },
  );
}

async function requireConvention(
  { recomputes, registry }: Pick<WriteTransaction, 'recomputes' | 'registry'>,
  hook: string,
  convention: string,
): Promise<void> {
  if (!(await registry.convention(convention))) throw unknownConvention(convention, 'convention');
  if (await recomputes.isHookOf(hook, convention)) return;
  throw new OsaError('invalid', `convention: ${hook} does not run over ${convention}, and never has`, {
    field: 'convention',
  });
}

function found(hook: StoredHook | undefined, name: string): StoredHook {
  if (!hook) throw unknownHook(name);
  return hook;
}
