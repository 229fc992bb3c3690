import type { Answer } from '../api/index.ts';
import { OsaError } from '../error.ts';
import { sha256 } from '../hook/release.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { DeployRequest } from './convention.ts';
import type { DeployOptions, DeployPlan } from './plan.ts';

/** The promises of a plan, so that a deploy can be held to them. */
export type Reviewed = NonNullable<Answer<'planDeploy'>['reviewed']>;

/**
 * The plan by its digests: of what was sent, and of what it would change in this archive. `open` is the plan as anybody may
 * see it, so it is the same for every caller.
 */
export function reviewed(request: DeployRequest, open: DeployPlan, options: DeployOptions): Reviewed {
  const { activate, compare, archive = '' } = options;
  const manifest = `sha256:${sha256(canonicalJson(request))}`;
  const promised = {
    ...{ archive, activate, manifest, slug: open.slug, changes: open.changes },
    ...(compare && { compare }),
  };
  return {
    archive,
    manifest_digest: manifest,
    ...(compare && { compare }),
    digest: `sha256:${sha256(canonicalJson(promised))}`,
  };
}

/** Refuses a deploy that would do something else than the plan that was reviewed. @throws OsaError `conflict` */
export function requireReviewed(request: DeployRequest, open: DeployPlan, options: DeployOptions): void {
  const { expected_plan: expected } = options;
  if (expected === undefined) return;
  const actual = reviewed(request, open, options);
  if (actual.digest === expected) return;
  throw new OsaError(
    'conflict',
    'this is not the plan that was reviewed: the archive or what was sent has changed since; plan and review it again',
    { field: 'expected_plan', details: { expected, reviewed: actual, changes: open.changes } },
  );
}
