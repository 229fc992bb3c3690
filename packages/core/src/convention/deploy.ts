import type { Answer } from '../api.ts';
import { grants, requireScope } from '../auth/scope.ts';
import { OsaError } from '../error.ts';
import type { RegistryWrites } from '../hook/registry.ts';
import { fingerprint } from '../hook/release.ts';
import type { Store, Writer } from '../store.ts';
import { type DeployRequest, type HookDeclaration, releaseContent, slugOf } from './convention.ts';
import { type DeployPlan, type DeployState, planDeploy } from './plan.ts';

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
  request: DeployRequest,
): Promise<Answer<'deploy'>> {
  const slug = request.slug ?? slugOf(request.title);
  if (!slug) {
    throw new OsaError(
      'invalid',
      `title: no slug can be made of ${JSON.stringify(request.title)}; give one as slug`,
      {
        field: 'title',
      },
    );
  }
  requireScope(writer.principal, 'conventions:write', slug);
  return store.write(writer, async ({ registry, event }) => {
    const state = await lockState(registry, slug, request);
    const plan = planDeploy(slug, request, state);
    requireHookScopes(writer, slug, plan, state);
    await requireBlobs(registry, request.hooks);
    await apply(registry, request, plan, state);
    const { id, at } = await registry.recordDeploy({ slug, manifest: request, changes: plan.changes });
    await event('convention.deployed', { slug, deploy: id, changed: plan.changed });
    return {
      slug,
      title: request.title,
      description: request.description,
      schema_id: { id: request.schema.id, version: request.schema.version },
      hooks: request.hooks.map((hook) => hook.name),
      created_at: at,
      deploy_id: id,
      changed: plan.changed,
      changes: plan.changes,
    };
  });
}

/** Locks and reads all that the deploy names, in the order of locks: convention, schema, hooks by name. */
async function lockState(
  registry: RegistryWrites,
  slug: string,
  request: DeployRequest,
): Promise<DeployState> {
  const convention = await registry.lockConvention(slug, request);
  const fields = await registry.schemaFields(request.schema.id, request.schema.version);
  const hooks = await registry.lockHooks(slug, request.hooks);
  const knownReleases = new Map<string, number>();
  for (const declaration of request.hooks) {
    const version = await registry.findRelease(declaration.name, fingerprint(releaseContent(declaration)));
    if (version !== undefined) knownReleases.set(declaration.name, version);
  }
  return { convention, fields, hooks: new Map(hooks.map((hook) => [hook.name, hook])), knownReleases };
}

/** A deploy mints for the hooks that its convention owns; to mint for another's takes the right to that hook. */
function requireHookScopes(writer: Writer, slug: string, plan: DeployPlan, state: DeployState): void {
  for (const { name, release } of plan.changes.hooks) {
    const owner = state.hooks.get(name)?.owner;
    if (release === 'known' || owner === slug || grants(writer.principal.scopes, 'hooks:write', name))
      continue;
    throw new OsaError(
      'access_denied',
      `hook ${name} belongs to the convention ${owner}: a new release of it needs the scope hooks:write:${name}`,
      { field: `hooks.${name}`, details: { scope: `hooks:write:${name}`, owner } },
    );
  }
}

async function requireBlobs(registry: RegistryWrites, hooks: readonly HookDeclaration[]): Promise<void> {
  for (const [index, { release }] of hooks.entries()) {
    if (release.runtime !== 'directory' || (await registry.hasBlob(release.digest))) continue;
    throw new OsaError(
      'invalid',
      `hooks[${index}].release.digest: ${release.digest} is not stored; upload the packed directory first`,
      { field: `hooks[${index}].release.digest` },
    );
  }
}

async function apply(
  registry: RegistryWrites,
  request: DeployRequest,
  plan: DeployPlan,
  state: DeployState,
): Promise<void> {
  const { id, version, fields } = request.schema;
  if (plan.changes.schema === 'created') {
    await registry.insertSchema({ id, version, title: request.title, fields });
  }
  if (plan.changes.convention !== 'unchanged') await registry.updateConvention(plan.slug, request);
  for (const change of plan.changes.hooks) {
    const hook = state.hooks.get(change.name);
    const declaration = request.hooks.find(({ name }) => name === change.name);
    if (!hook || !declaration)
      throw new OsaError('internal', `hook ${change.name} is planned but not locked`);
    if (change.hook === 'created') await registry.createFeatureTable(change.name);
    if (change.release === 'created') {
      const content = releaseContent(declaration);
      await registry.mint(hook, content, fingerprint(content));
    }
  }
}
