import type { Answer, ParsedBody } from '../api.ts';
import { requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { Store, Writer } from '../store.ts';
import type { RegistryWrites, StoredHook } from './registry.ts';

/**
 * Moves the live pointer of a hook back. Once this has answered, no batch is claimed with the release that was
 * live before. Going to the version that is live already changes nothing and makes no history entry.
 *
 * @throws OsaError `not_found` (hook, version), `conflict` (nothing to go back to, or a newer version),
 * `precondition_failed` (the pointer has moved since the caller looked), `access_denied`.
 */
export async function rollback(
  store: Store,
  writer: Writer,
  hookName: string,
  request: ParsedBody<'rollback'>,
): Promise<Answer<'rollback'>> {
  requireScope(writer.principal, 'hooks:write', hookName);
  return store.write(writer, async ({ registry, event }) => {
    const hook = await registry.lockHook(hookName);
    if (!hook) throw new OsaError('not_found', `no hook is named ${hookName}`);
    const live = requireExpected(hook, request);
    const target = await chooseTarget(registry, hook, live.version, request.to);
    const reason = request.reason ?? null;
    const base = { hook_name: hook.name, from_version: live.version, live_version: target, reason };
    if (target === live.version) {
      const { release_id, at } = await registry.currentChange(hook);
      return { ...base, changed: false, live_seq: live.seq, live_release_id: release_id, at };
    }
    const change = await registry.move(hook, { to: target, kind: 'rollback', reason });
    await event('hook.rolled_back', {
      hook: hook.name,
      seq: change.seq,
      from: live.version,
      to: target,
      reason,
    });
    return {
      ...base,
      changed: true,
      live_seq: change.seq,
      live_release_id: change.release_id,
      at: change.at,
    };
  });
}

/** The pointer as it is locked, if it is where the caller saw it. */
function requireExpected(
  hook: StoredHook,
  expected: ParsedBody<'rollback'>,
): { readonly seq: number; readonly version: number } {
  const { liveSeq, liveVersion } = hook;
  if (liveSeq === null || liveVersion === null) {
    throw new OsaError('conflict', `hook ${hook.name} has no live release, so there is nothing to roll back`);
  }
  const seqMoved = expected.expected_live_seq !== undefined && expected.expected_live_seq !== liveSeq;
  const versionMoved =
    expected.expected_live_version !== undefined && expected.expected_live_version !== liveVersion;
  if (seqMoved || versionMoved) {
    throw new OsaError(
      'precondition_failed',
      `the live pointer of ${hook.name} has moved meanwhile: version ${liveVersion} is live (change ${liveSeq}); look again and repeat`,
      { details: { live_version: liveVersion, live_seq: liveSeq } },
    );
  }
  return { seq: liveSeq, version: liveVersion };
}

async function chooseTarget(
  registry: RegistryWrites,
  hook: StoredHook,
  live: number,
  wanted: number | undefined,
): Promise<number> {
  const target = wanted ?? (await registry.rollbackTarget(hook.name, live));
  if (target === undefined) {
    const versions = await registry.versions(hook.name);
    throw new OsaError(
      'conflict',
      `hook ${hook.name}: nothing was live before version ${live}; its releases are ${versions.join(', ')}`,
      { field: 'to', details: { live_version: live, versions } },
    );
  }
  if (target > hook.releaseCount) {
    throw new OsaError(
      'not_found',
      `to: hook ${hook.name} has no release ${target}; its newest is ${hook.releaseCount}`,
      {
        field: 'to',
      },
    );
  }
  if (target > live) {
    throw new OsaError(
      'conflict',
      `to: version ${target} of ${hook.name} is newer than the live version ${live}; a rollback only goes back`,
      { field: 'to', details: { live_version: live } },
    );
  }
  return target;
}
