import type { Answer } from '../api/index.ts';
import { contractDifferences, type Difference } from '../hook/hook.ts';
import type { StoredConvention, StoredHook } from '../hook/registry.ts';
import { type ReleaseContent, sha256 } from '../hook/release.ts';
import { type ComparedRelease, releaseDifferences } from '../hook/release-differences.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { DeployComparison } from '../recompute/comparison/comparisons.ts';
import { type FieldDefinition, schemaDifferences } from '../record/schema.ts';
import { type DeployRequest, type HookDeclaration, releaseContent } from './convention.ts';
import { openTextWarnings } from './open-text.ts';

/** The stored state of everything that a deploy names. */
export interface DeployState {
  readonly convention: StoredConvention | undefined;
  /** The convention that the schema id belongs to, or will. */
  readonly schemaOwner: string;
  /** The fields of the named schema version, when it is registered. */
  readonly fields: readonly FieldDefinition[] | undefined;
  /** Whether the text without a rule of that version takes any value. */
  readonly openText: boolean | undefined;
  readonly hooks: ReadonlyMap<string, StoredHook>;
  /** By hook, the version of the release that is declared again. */
  readonly knownReleases: ReadonlyMap<string, number>;
  /** The hooks whose declared release is known and was live before. */
  readonly onceLive: ReadonlySet<string>;
  /** By hook, the live release, where another one is declared. */
  readonly liveReleases: ReadonlyMap<string, ReleaseContent>;
}

export interface DeployOptions {
  /** Make the declared releases live also where they are known and another one is. */
  readonly activate: boolean;
  /** Hold releases of hooks that have a live one until they are compared. */
  readonly compare?: DeployComparison | undefined;
  /** Where images may come from; anywhere if there is none. */
  readonly registries?: readonly string[];
  /** The name of the archive, which a plan bears. */
  readonly archive?: string;
  /** The digest of a plan that was reviewed, to which a deploy is held. */
  readonly expected_plan?: string | undefined;
}

export interface PlanOptions extends DeployOptions {
  /** Whether the config of a hook's live release may be shown; else its digest is. */
  readonly shows: (hook: string) => boolean;
}

export type DeployPlan = Omit<Answer<'planDeploy'>, 'reviewed'>;
export type HookPlan = DeployPlan['changes']['hooks'][number];

/** The part of a deploy that is about one hook. */
export interface DeployStep {
  readonly declaration: HookDeclaration;
  readonly stored: StoredHook | undefined;
  readonly change: HookPlan;
}

/**
 * The changes that a deploy of `request` makes to the stored state, or why it is refused. Pure, and used by plan and
 * deploy alike, so that they cannot disagree.
 */
export function planDeploy(
  slug: string,
  request: DeployRequest,
  state: DeployState,
  options: PlanOptions,
): { readonly plan: DeployPlan; readonly steps: readonly DeployStep[] } {
  const conventionFields = state.convention ? conventionDifferences(state.convention, request) : [];
  const schemaChanges = state.fields ? schemaDifferences(state.fields, request.schema.fields) : [];
  const steps = request.hooks.map((declaration) => planHook(slug, declaration, state, options));
  const declared = new Set(request.hooks.map((hook) => hook.name));
  const changes: DeployPlan['changes'] = {
    convention: !state.convention ? 'created' : conventionFields.length > 0 ? 'updated' : 'unchanged',
    convention_fields: conventionFields,
    schema_owner: state.schemaOwner,
    schema: !state.fields ? 'created' : schemaChanges.length > 0 ? 'refused' : 'unchanged',
    schema_differences: schemaChanges,
    hooks: steps.map(({ change }) => change),
    removed_hooks: (state.convention?.hooks ?? []).filter((name) => !declared.has(name)),
    ingester: request.ingester ? 'stored, not run' : 'none',
  };
  const named = new Set(request.schema.fields.map(({ name }) => name));
  const isStrange = (state.fields ?? []).every(({ name }) => !named.has(name));
  const reasons = refusals({ slug, isStrange }, request, changes);
  const refused = reasons.length > 0;
  // A plan that is refused makes no release.
  const shown = refused
    ? changes
    : { ...changes, hooks: steps.map((step) => withDifferences(step, state, options)) };
  const warnings = openTextWarnings(request, state);
  return { plan: { slug, changed: isChange(changes), refused, reasons, changes: shown, warnings }, steps };
}

/** Adds to a hook what its declared release differs in from the live one. */
function withDifferences(
  { declaration, change }: DeployStep,
  { liveReleases }: DeployState,
  { shows }: PlanOptions,
): HookPlan {
  const live = liveReleases.get(change.name);
  if (!live) return change;
  const from = shows(change.name) ? compared(live) : { ...compared(live), config: null };
  return { ...change, differences: releaseDifferences(from, compared(releaseContent(declaration))) };
}

/** A release as it is compared with another one. */
function compared(content: ReleaseContent): ComparedRelease {
  return { ...content, config_digest: `sha256:${sha256(canonicalJson(content.config))}` };
}

function planHook(
  slug: string,
  declaration: HookDeclaration,
  state: DeployState,
  { activate, compare }: DeployOptions,
): DeployStep {
  const { name, feature } = declaration;
  const stored = state.hooks.get(name);
  const differences = stored ? contractDifferences(stored.feature, feature) : [];
  const known = state.knownReleases.get(name);
  const version = known ?? (stored?.releaseCount ?? 0) + 1;
  const live = stored?.liveVersion ?? null;
  // A known release stays as live or not as it is: a deploy that runs again must not undo a rollback.
  const activated = known !== undefined && activate && live !== known;
  // One that was live before and was left stays so: only what has never been live is compared.
  const held =
    compare !== undefined && live !== null && live !== known && !stored?.created && !state.onceLive.has(name);
  const liveVersion = (known === undefined && !held) || activated ? version : live;
  const change: HookPlan = {
    name,
    owner: stored?.owner ?? slug,
    hook: !stored || stored.created ? 'created' : differences.length > 0 ? 'refused' : 'unchanged',
    differences,
    release: known === undefined ? 'created' : 'known',
    version,
    is_live: liveVersion === version,
    live_version: liveVersion,
    activated,
    ...(held && { held }),
  };
  return { declaration, stored, change };
}

function isChange({ convention, schema, hooks }: DeployPlan['changes']): boolean {
  return (
    convention !== 'unchanged' ||
    schema === 'created' ||
    hooks.some((hook) => hook.hook === 'created' || hook.release === 'created' || hook.activated || hook.held)
  );
}

/** `isStrange`: no field of the stored schema is declared, so the data is likely to be another. */
function refusals(
  { slug, isStrange }: { readonly slug: string; readonly isStrange: boolean },
  { schema }: DeployRequest,
  changes: DeployPlan['changes'],
): string[] {
  const reasons: string[] = [];
  if (changes.schema === 'refused') {
    const what = changes.schema_differences.map(describe).join('; ');
    const next =
      changes.schema_owner === slug
        ? `Raise its version${isStrange ? '; if this is another dataset, give it another slug, schema id and hook name' : ''}`
        : `It belongs to the convention ${changes.schema_owner}: use its fields, or another id`;
    reasons.push(`schema ${schema.id}@${schema.version} is registered and never changes: ${what}. ${next}`);
  }
  for (const [index, { name, hook, differences }] of changes.hooks.entries()) {
    if (hook !== 'refused') continue;
    const what = differences.map(describe).join('; ');
    reasons.push(
      `hooks[${index}] ${name}: a contract never changes: ${what}. Give the changed hook another name`,
    );
  }
  return reasons;
}

function describe({ path, from, to }: Difference): string {
  const show = (value: unknown) => (value === null ? 'absent' : JSON.stringify(value));
  return `${path}: ${show(from)} → ${show(to)}`;
}

function conventionDifferences(stored: StoredConvention, request: DeployRequest): Difference[] {
  const {
    title,
    description,
    license,
    schema,
    file_requirements,
    docs,
    ingester,
    hooks,
    curation,
    approve_own,
  } = request;
  const next = {
    title,
    description,
    license: license ?? null,
    schema: `${schema.id}@${schema.version}`,
    file_requirements,
    curation,
    approve_own,
    docs: docs ?? null,
    ingester: digestOf(ingester),
    hooks: hooks.map((hook) => hook.name),
  };
  const before = {
    ...stored,
    ingester: digestOf(stored.ingester),
    schema: `${stored.schema.id}@${stored.schema.version}`,
  };
  return Object.entries(next)
    .map(([path, to]) => ({ path, from: before[path as keyof typeof next] ?? null, to }))
    .filter(({ from, to }) => canonicalJson(from) !== canonicalJson(to));
}

/** An ingester's config may hold secrets, and differences are shown to everybody. */
function digestOf(value: unknown): string | null {
  return value === null || value === undefined ? null : `sha256:${sha256(canonicalJson(value))}`;
}
