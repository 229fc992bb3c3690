import type { Answer } from '../../api/index.ts';
import { requireScope } from '../../auth/scope.ts';
import type { DeployRequest } from '../../convention/convention.ts';
import type { DeployOptions, DeployStep } from '../../convention/plan.ts';
import { OsaError } from '../../error.ts';
import { byIngestion, pointerMoved } from '../../hook/live.ts';
import type { HeldHook, StoredHook } from '../../hook/registry.ts';
import type { Store, Writer, WriteTransaction } from '../../store.ts';
import { requireColumns } from './compare.ts';
import type { Hold } from './comparisons.ts';

/**
 * @throws OsaError `invalid` for releases that are to go live at once as well, and for tolerances or keys of a hook that is not
 * declared, or of columns that it does not have
 */
export function requireComparable({ hooks }: DeployRequest, { activate, compare }: DeployOptions): void {
  if (!compare) return;
  if (activate) {
    const message =
      'compare: activate makes known releases live at once, and compare holds new ones; give one of them';
    throw new OsaError('invalid', message, { field: 'compare' });
  }
  const { tolerances, keys } = compare;
  for (const name of new Set([...Object.keys(tolerances), ...Object.keys(keys)])) {
    const hook = hooks.find((declared) => declared.name === name);
    const field = `compare.${name in tolerances ? 'tolerances' : 'keys'}.${name}`;
    if (!hook) {
      const declared = hooks.map((one) => one.name).join(', ');
      throw new OsaError('invalid', `${field}: no hook ${name} is declared; there are ${declared}`, {
        field,
      });
    }
    requireColumns(hook, tolerances[name] ?? {}, keys[name] ?? [], {
      tolerances: `compare.tolerances.${name}`,
      keys: `compare.keys.${name}`,
    });
  }
}

/** Begins the comparisons of the releases that a deploy holds, in its transaction. */
export async function compareHeld(
  { comparisons, event }: Pick<WriteTransaction, 'comparisons' | 'event'>,
  deploy: string,
  steps: readonly DeployStep[],
  { compare }: DeployOptions,
): Promise<Hold[]> {
  if (!compare) return [];
  const { sample, seed, max_changed, tolerances, keys } = compare;
  const held = steps.filter(({ change }) => change.held);
  for (const { stored: hook, change } of held) {
    const { version } = change;
    if (!hook || hook.liveSeq === null) {
      throw new OsaError('internal', `hook ${change.name} is held and has nothing to compare with`);
    }
    const { id } = await comparisons.create({
      ...{ hook: hook.name, version, against: null, convention: null, seed, sample, srns: null },
      ...{ tolerances: tolerances[hook.name] ?? {}, keys: keys[hook.name] ?? [], reason: `deploy ${deploy}` },
    });
    await comparisons.hold({
      ...{ deploy, hook: hook.name, version, liveSeq: hook.liveSeq },
      ...{ comparison: id, maxChanged: max_changed },
    });
    await event('comparison.created', { comparison: id, hook: hook.name, version });
  }
  return held.length === 0 ? [] : [...((await comparisons.holds(deploy))?.holds ?? [])];
}

/**
 * Makes the releases that a deploy holds live: all of them or none, by the very next change after the one that was last when
 * the deploy began. So a rollback or another release in between is not undone. Doing it again changes nothing.
 *
 * @throws OsaError `not_found`, `access_denied`, `conflict` (nothing is held, a comparison is not done, failed or is beyond its
 * limit), `precondition_failed` (a pointer has moved), `busy`
 */
export async function activateDeploy(
  store: Store,
  writer: Writer,
  deploy: string,
): Promise<Answer<'activateDeploy'>> {
  return store.write(writer, async (parts) => {
    const { registry, comparisons } = parts;
    const known = await comparisons.holds(deploy);
    if (!known) throw unknownDeploy(deploy);
    requireScope(writer.principal, 'conventions:write', known.slug);
    if (known.holds.length === 0) {
      throw new OsaError(
        'conflict',
        `deploy ${deploy} holds no release; osa deploy --compare makes one that does`,
      );
    }
    const hooks = new Map<string, HeldHook>();
    for (const { hook_name } of known.holds) {
      const held = await registry.holdHook(hook_name);
      if (!held) throw new OsaError('internal', `hook ${hook_name} is held and is not there`);
      hooks.set(hook_name, held);
    }
    // Read once the hooks are locked, so it holds until the commit.
    const holds = (await comparisons.holds(deploy))?.holds ?? [];
    const open = holds.flatMap((hold) => {
      const held = hooks.get(hold.hook_name);
      return held && hold.activated_seq === null && held.hook.liveVersion !== hold.version
        ? [{ hold, ...held }]
        : [];
    });
    for (const { hold, hook } of open) requireActivatable(writer, known.slug, hold, hook);
    const still_running: Answer<'activateDeploy'>['still_running'] = [];
    for (const { hold, hook, claimed } of open) {
      const left = claimed.filter(({ version }) => version === hook.liveVersion);
      still_running.push(...byIngestion(left).map((group) => ({ hook: hook.name, ...group })));
      await activateHeld(parts, deploy, hold, hook);
    }
    const after = await comparisons.holds(deploy);
    return {
      deploy_id: deploy,
      slug: known.slug,
      changed: open.length > 0,
      holds: [...(after?.holds ?? [])],
      still_running,
    };
  });
}

async function activateHeld(
  { registry, comparisons, event }: WriteTransaction,
  deploy: string,
  { hook_name, version, comparison_id, records, changed_records, max_changed }: Hold,
  hook: StoredHook,
): Promise<void> {
  const reason = `comparison ${comparison_id}: ${changed_records} of ${records} records changed, at most ${max_changed} % may`;
  const { seq } = await registry.move(hook, { to: version, kind: 'activate', reason });
  await comparisons.activated({ deploy, hook: hook_name, seq });
  await event('hook.activated', { hook: hook_name, seq, from: hook.liveVersion, to: version, reason });
}

function requireActivatable(
  { principal }: Writer,
  slug: string,
  { hook_name, version, live_seq, comparison_id, status, is_within, ...limit }: Hold,
  hook: StoredHook,
): void {
  if (hook.owner !== slug) requireScope(principal, 'hooks:write', hook.name);
  const anyway = `\`osa hooks activate ${hook_name} ${version}\` makes v${version} live all the same`;
  const details = { hook: hook_name, version, comparison: comparison_id };
  if (hook.liveSeq !== live_seq) {
    const { message } = pointerMoved(hook_name, { live_seq: hook.liveSeq, live_version: hook.liveVersion });
    throw new OsaError('precondition_failed', `${message}; nothing was made live, and ${anyway}`, {
      field: hook_name,
      details: { ...details, live_version: hook.liveVersion, live_seq: hook.liveSeq },
    });
  }
  if (status === 'failed') {
    throw new OsaError('conflict', `${hook_name}: comparison ${comparison_id} failed; ${anyway}`, {
      field: hook_name,
      details,
    });
  }
  if (is_within === null) {
    throw new OsaError(
      'conflict',
      `${hook_name}: comparison ${comparison_id} is ${status}; wait until it is done`,
      {
        field: hook_name,
        details,
      },
    );
  }
  if (is_within) return;
  const { changed_records, records, max_changed } = limit;
  throw new OsaError(
    'conflict',
    `${hook_name}: ${changed_records} of ${records} records changed, and at most ${max_changed} % may; ${anyway}`,
    { field: hook_name, details: { ...details, changed_records, records, max_changed } },
  );
}

export function unknownDeploy(id: string): OsaError {
  return new OsaError('not_found', `no deploy has the id ${id}; \`osa deploys list\` shows all deploys`, {
    field: 'id',
  });
}
