import { v7 as uuid7 } from 'uuid';
import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { grants, requireScope } from '../auth/scope.ts';
import { mayReadRuns } from '../auth/visibility.ts';
import { OsaError } from '../error.ts';
import { failpoint } from '../failpoint.ts';
import { requireRegistry } from '../hook/image.ts';
import { byIngestion } from '../hook/live.ts';
import type { Declared, HookSource, Naming, RegistryWrites, StoredHook } from '../hook/registry.ts';
import { fingerprint } from '../hook/release.ts';
import { compareHeld, requireComparable } from '../recompute/comparison/held-releases.ts';
import type { Store, Writer } from '../store.ts';
import { type DeployRequest, type HookDeclaration, releaseContent, slugOf } from './convention.ts';
import { withOpenText } from './open-text.ts';
import {
  type DeployOptions,
  type DeployPlan,
  type DeployState,
  type DeployStep,
  planDeploy,
} from './plan.ts';
import { requireReviewed, reviewed } from './reviewed.ts';

/**
 * Applies one `convention.yaml`: schema, hooks, feature tables, releases, pointer moves, convention and history,
 * in one transaction. Declaring the same again changes nothing and says so.
 *
 * @throws OsaError `invalid` (title without a slug, a directory that was not uploaded), `conflict` (a schema or
 * a contract that would change), `access_denied` (the convention, or another's hook), `unavailable`.
 */
export async function deploy(
  store: Store,
  writer: Writer,
  received: DeployRequest,
  options: DeployOptions = { activate: false },
): Promise<Answer<'deploy'>> {
  const request = withOpenText(received);
  const slug = chooseSlug(request);
  requireScope(writer.principal, 'conventions:write', slug);
  requireRegistries(request, options);
  requireComparable(request, options);
  await failpoint('release.before-lock');
  const answer = await store.write(writer, async (parts) => {
    const { registry, event } = parts;
    const declared = await registry.lockDeclared(naming(slug, request), request);
    const state = stateOf(declared, slug);
    await failpoint('release.after-lock');
    const planned = { ...options, shows: shownTo(writer.principal) };
    const { plan, steps } = planDeploy(slug, request, state, planned);
    requireOwnership(writer.principal, plan, request);
    refuse(plan);
    // Anybody may read what a deploy has changed.
    const { plan: open } = planDeploy(slug, request, state, { ...options, shows: () => false });
    requireReviewed(request, open, options);
    requireBlobs(declared, request.hooks);
    const still_running = await stillRunning(registry, steps);
    await apply({ registry, principal: writer.principal }, request, { plan, steps, declared });
    await failpoint('release.after-insert');
    const deploy_id = uuid7();
    // None of them waits for the answer of another.
    const [{ at }, unstartable] = await Promise.all([
      registry.recordDeploy({ id: deploy_id, slug, manifest: request, plan: open }),
      registry.unstartable(slug),
      event('convention.deployed', { slug, deploy: deploy_id, changed: plan.changed }),
    ]);
    const holds = await compareHeld(parts, deploy_id, steps, options);
    await failpoint('release.after-pointer');
    return {
      slug,
      title: request.title,
      description: request.description,
      schema_id: { id: request.schema.id, version: request.schema.version },
      hooks: request.hooks.map((hook) => hook.name),
      created_at: at,
      deploy_id,
      changed: plan.changed,
      changes: plan.changes,
      warnings: plan.warnings,
      holds,
      still_running,
      unstartable,
    };
  });
  await failpoint('release.after-commit');
  return answer;
}

/**
 * The plan of a `deploy` of the same request at this moment, from one reading; nothing is locked or written.
 *
 * @throws OsaError `invalid` (title without a slug), `access_denied`; the plan names a conflict.
 */
export async function planConvention(
  store: Store,
  principal: Principal,
  received: DeployRequest,
  options: DeployOptions,
): Promise<Answer<'planDeploy'>> {
  const request = withOpenText(received);
  const slug = chooseSlug(request);
  requireScope(principal, 'conventions:write', slug);
  requireRegistries(request, options);
  requireComparable(request, options);
  return store.read(async (registry) => {
    const state = stateOf(await registry.declared(naming(slug, request)), slug);
    const { plan } = planDeploy(slug, request, state, { ...options, shows: shownTo(principal) });
    requireOwnership(principal, plan, request);
    const { plan: open } = planDeploy(slug, request, state, { ...options, shows: () => false });
    return { ...plan, reviewed: plan.refused ? null : reviewed(request, open, options) };
  });
}

/** @throws OsaError `invalid` for an image from elsewhere */
function requireRegistries({ hooks, ingester }: DeployRequest, { registries = [] }: DeployOptions): void {
  for (const [index, { release }] of hooks.entries()) {
    requireRegistry(registries, release.image, `hooks[${index}].release.image`);
  }
  requireRegistry(registries, ingester?.release.image, 'ingester.release.image');
}

function shownTo(principal: Principal): (hook: string) => boolean {
  return (hook) => mayReadRuns(principal, hook);
}

function chooseSlug(request: DeployRequest): string {
  const slug = request.slug ?? slugOf(request.title);
  if (slug) return slug;
  const message = `title: no slug can be made of ${JSON.stringify(request.title)}; give one as slug`;
  throw new OsaError('invalid', message, { field: 'title' });
}

function naming(slug: string, { schema, hooks }: DeployRequest): Naming {
  return {
    slug,
    schema,
    hooks: hooks.map((hook) => ({ name: hook.name, fingerprint: fingerprint(releaseContent(hook)) })),
    digests: hooks.flatMap(({ release }) => (release.runtime === 'directory' ? release.digest : [])),
  };
}

function stateOf({ convention, schemaOwner, schema, hooks }: Declared, slug: string): DeployState {
  return {
    convention,
    schemaOwner: schemaOwner ?? slug,
    fields: schema?.fields,
    openText: schema?.openText,
    hooks: new Map(hooks.map((hook) => [hook.name, hook])),
    onceLive: new Set(hooks.flatMap(({ name, known }) => (known?.once_live ? [name] : []))),
    knownReleases: new Map(hooks.flatMap(({ name, known }) => (known ? [[name, known.version]] : []))),
    liveReleases: new Map(hooks.flatMap(({ name, live }) => (live ? [[name, live]] : []))),
  };
}

/**
 * A deploy registers versions of the schemas that its convention owns, and mints for the hooks that it owns. To do so for
 * another's, and to activate a release that is not live, takes the right to that schema or hook.
 *
 * @throws OsaError `access_denied`, which names the owner
 */
function requireOwnership(principal: Principal, { slug, changes }: DeployPlan, request: DeployRequest): void {
  const { id, version } = request.schema;
  const owner = changes.schema_owner;
  if (changes.schema === 'created' && owner !== slug && !grants(principal, 'schemas:write', id)) {
    throw new OsaError(
      'access_denied',
      `schema ${id} belongs to the convention ${owner}: to register ${id}@${version} you need the scope schemas:write:${id}; ` +
        'use a registered version, or give the schema another id',
      { field: 'schema.id', details: { scope: `schemas:write:${id}`, owner } },
    );
  }
  requireHookScopes(principal, { slug, changes });
}

function requireHookScopes(
  principal: Principal,
  { slug, changes }: Pick<DeployPlan, 'slug' | 'changes'>,
): void {
  for (const { name, owner, release, activated, held } of changes.hooks) {
    const needsHook = activated || ((release === 'created' || held) && owner !== slug);
    if (!needsHook || grants(principal, 'hooks:write', name)) continue;
    const what = activated ? 'to activate a release of it' : 'a new release of it';
    throw new OsaError(
      'access_denied',
      `hook ${name} belongs to the convention ${owner}: ${what} needs the scope hooks:write:${name}`,
      { field: `hooks.${name}`, details: { scope: `hooks:write:${name}`, owner } },
    );
  }
}

function refuse({ refused, reasons, changes }: DeployPlan): void {
  if (!refused) return;
  const differences = [
    ...changes.schema_differences.map((difference) => ({ ...difference, path: `schema.${difference.path}` })),
    ...changes.hooks.flatMap(({ hook, differences: list }, index) =>
      (hook === 'refused' ? list : []).map((difference) => ({
        ...difference,
        path: `hooks[${index}].feature.${difference.path}`,
      })),
    ),
  ];
  throw new OsaError('conflict', reasons.join('; '), {
    field: differences[0]?.path,
    details: { differences },
  });
}

function requireBlobs({ blobs }: Declared, hooks: readonly HookDeclaration[]): void {
  for (const [index, { release }] of hooks.entries()) {
    if (release.runtime !== 'directory' || blobs.has(release.digest)) continue;
    throw new OsaError(
      'invalid',
      `hooks[${index}].release.digest: ${release.digest} is not stored; upload the packed directory first`,
      { field: `hooks[${index}].release.digest` },
    );
  }
}

async function apply(
  { registry, principal }: { readonly registry: RegistryWrites; readonly principal: Principal },
  request: DeployRequest,
  { plan, steps, declared }: ReturnType<typeof planDeploy> & { readonly declared: Declared },
): Promise<void> {
  const known = new Map(declared.hooks.map((hook) => [hook.name, hook.known?.source_ref]));
  const { id, version, fields, open_text } = request.schema;
  if (plan.changes.schema === 'created') {
    await registry.insertSchema({ id, version, title: request.title, fields, openText: open_text === true });
  }
  if (plan.changes.convention !== 'unchanged') await registry.updateConvention(plan.slug, request);
  const sources: HookSource[] = [];
  for (const { declaration, stored: hook, change } of steps) {
    if (!hook) throw new OsaError('internal', `hook ${change.name} is planned but not locked`);
    if (change.hook === 'created') await registry.createFeatureTable(change.name);
    const { source_ref } = declaration.release;
    if (change.release === 'created') await mintDeclared(registry, hook, declaration, !change.held);
    // The hook's convention, and a caller with its scope, may add a source.
    else if (
      known.get(change.name) !== source_ref &&
      (change.owner === plan.slug || grants(principal, 'hooks:write', change.name))
    ) {
      sources.push({ hook: change.name, version: change.version, source_ref });
    }
    if (change.activated) {
      await registry.move(hook, { to: change.version, kind: 'activate', reason: 'deploy --activate' });
    }
  }
  if (sources.length > 0) await registry.addSources(sources);
}

/** The batches that keep a release which the deploy leaves. */
async function stillRunning(
  registry: RegistryWrites,
  steps: readonly DeployStep[],
): Promise<Answer<'deploy'>['still_running']> {
  const found: Answer<'deploy'>['still_running'] = [];
  for (const { stored, change } of steps) {
    const { name, release, activated, held } = change;
    const left = stored?.liveVersion ?? null;
    if (left === null || held || !(release === 'created' || activated)) continue;
    const claimed = await registry.claimedBatches(name);
    const kept = claimed.filter(({ version }) => version === left);
    found.push(...byIngestion(kept).map((group) => ({ hook: name, ...group })));
  }
  return found;
}

async function mintDeclared(
  registry: RegistryWrites,
  { name, liveVersion, releaseCount }: StoredHook,
  declaration: HookDeclaration,
  live: boolean,
): Promise<void> {
  const content = releaseContent(declaration);
  const { outcome } = await registry.mint({
    hook: name,
    content,
    fingerprint: fingerprint(content),
    live,
    reason: null,
    seen: liveVersion,
    carriesDigest: false,
    seenReleases: releaseCount,
    expected: {},
    told: false,
  });
  if (outcome !== 'minted')
    throw new OsaError('internal', `hook ${name} is locked, and its release is ${outcome}`);
}
