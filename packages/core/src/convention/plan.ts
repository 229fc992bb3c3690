import type { z } from 'zod';
import type { DeployChanges } from '../api.ts';
import { OsaError } from '../error.ts';
import { contractDifferences, type Difference } from '../hook/hook.ts';
import type { StoredConvention, StoredHook } from '../hook/registry.ts';
import { canonicalJson } from '../hook/release.ts';
import { type FieldDefinition, schemaDifferences } from '../record/schema.ts';
import type { DeployRequest, HookDeclaration } from './convention.ts';

/** What is stored of everything that a deploy names. */
export interface DeployState {
  readonly convention: StoredConvention | undefined;
  /** The fields of the named schema version, when it is registered. */
  readonly fields: readonly FieldDefinition[] | undefined;
  readonly hooks: ReadonlyMap<string, StoredHook>;
  /** By hook, the version of the release that is declared again. */
  readonly knownReleases: ReadonlyMap<string, number>;
}

export interface DeployPlan {
  readonly slug: string;
  readonly changed: boolean;
  readonly changes: z.infer<typeof DeployChanges>;
}

/**
 * What a deploy of `request` changes, given what is stored. Pure: deploying does what this says.
 *
 * @throws OsaError `conflict` when the schema version exists with other fields, or a hook with another contract;
 * `details.differences` lists them all.
 */
export function planDeploy(slug: string, request: DeployRequest, state: DeployState): DeployPlan {
  refuseConflicts(request, state);
  const conventionFields = state.convention ? conventionDifferences(state.convention, request) : [];
  const hooks = request.hooks.map((declaration) => planHook(declaration, state));
  const declared = new Set(request.hooks.map((hook) => hook.name));
  const changes = {
    convention: !state.convention ? 'created' : conventionFields.length > 0 ? 'updated' : 'unchanged',
    convention_fields: conventionFields,
    schema: state.fields ? 'unchanged' : 'created',
    hooks,
    removed_hooks: (state.convention?.hooks ?? []).filter((name) => !declared.has(name)),
    ingester: request.ingester ? 'stored, not run' : 'none',
  } as const;
  const changed =
    changes.convention !== 'unchanged' ||
    changes.schema === 'created' ||
    hooks.some((hook) => hook.hook === 'created' || hook.release === 'created');
  return { slug, changed, changes };
}

function planHook(declaration: HookDeclaration, state: DeployState): DeployPlan['changes']['hooks'][number] {
  const stored = state.hooks.get(declaration.name);
  const known = state.knownReleases.get(declaration.name);
  const version = known ?? (stored?.releaseCount ?? 0) + 1;
  // A known release stays as live or not as it is: a deploy that runs again must not undo a rollback.
  const liveVersion = known === undefined ? version : (stored?.liveVersion ?? null);
  return {
    name: declaration.name,
    hook: !stored || stored.created ? 'created' : 'unchanged',
    release: known === undefined ? 'created' : 'known',
    version,
    is_live: liveVersion === version,
    live_version: liveVersion,
  };
}

function refuseConflicts(request: DeployRequest, state: DeployState): void {
  const { id, version, fields } = request.schema;
  const differences: Difference[] = [];
  if (state.fields) {
    for (const difference of schemaDifferences(state.fields, fields)) {
      differences.push({ ...difference, path: `schema.${difference.path}` });
    }
  }
  const schemaChanged = differences.length > 0;
  for (const [index, hook] of request.hooks.entries()) {
    const stored = state.hooks.get(hook.name);
    if (!stored) continue;
    for (const difference of contractDifferences(stored.feature, hook.feature)) {
      differences.push({ ...difference, path: `hooks[${index}].feature.${difference.path}` });
    }
  }
  const [first] = differences;
  if (!first) return;
  const advice = [
    ...(schemaChanged ? [`schema ${id}@${version} is registered and never changes: raise its version`] : []),
    ...(differences.length > 0 && !(schemaChanged && differences.every((d) => d.path.startsWith('schema.')))
      ? ['the contract of a hook never changes: give the changed hook another name']
      : []),
  ].join('; ');
  throw new OsaError('conflict', `${differences.map(describe).join('; ')}. ${advice}`, {
    field: first.path,
    details: { differences },
  });
}

function describe({ path, from, to }: Difference): string {
  const show = (value: unknown) => (value === null ? 'absent' : JSON.stringify(value));
  return `${path}: ${show(from)} → ${show(to)}`;
}

function conventionDifferences(stored: StoredConvention, request: DeployRequest): Difference[] {
  const { title, description, schema, file_requirements, docs, ingester, hooks } = request;
  const next = {
    title,
    description,
    schema: `${schema.id}@${schema.version}`,
    file_requirements,
    docs: docs ?? null,
    ingester: ingester ?? null,
    hooks: hooks.map((hook) => hook.name),
  };
  const before = { ...stored, schema: `${stored.schema.id}@${stored.schema.version}` };
  return Object.entries(next)
    .map(([path, to]) => ({ path, from: before[path as keyof typeof next] ?? null, to }))
    .filter(({ from, to }) => canonicalJson(from) !== canonicalJson(to));
}
