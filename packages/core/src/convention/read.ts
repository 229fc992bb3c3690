import type { Answer, ParsedQuery } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { mayReadAllRuns } from '../auth/visibility.ts';
import { unknownDeploy } from '../recompute/comparison/held-releases.ts';
import type { Store } from '../store.ts';
import { unknownConvention } from './convention.ts';

/** @throws OsaError `not_found` for a convention that was never deployed */
export async function listDeploys(
  { registry }: Store,
  query: ParsedQuery<'listDeploys'>,
): Promise<Answer<'listDeploys'>> {
  const { convention, cursor } = query;
  const deploys = await registry.deploys(query);
  // Every convention has a deploy, so an empty first page means that there is no such convention.
  if (convention !== undefined && deploys.items.length === 0 && cursor === undefined)
    throw unknownConvention(convention, 'convention');
  return deploys;
}

/** One deploy; its body is null unless the reader may see the configs in it. @throws OsaError `not_found` */
export async function showDeploy(
  { registry }: Store,
  principal: Principal | undefined,
  id: string,
): Promise<Answer<'showDeploy'>> {
  const deploy = await registry.deploy(id);
  if (!deploy) throw unknownDeploy(id);
  return mayReadAllRuns(principal) ? deploy : { ...deploy, manifest: null };
}

/** One convention; its ingester's config is null unless the reader may see it. @throws OsaError `not_found` */
export async function showConvention(
  { registry }: Store,
  principal: Principal | undefined,
  slug: string,
): Promise<Answer<'showConvention'>> {
  const convention = await registry.convention(slug);
  if (!convention) throw unknownConvention(slug);
  return { ...convention, ingester: hideIngesterConfig(convention.ingester, principal) };
}

/** An ingester's config may hold the credentials of its source. */
function hideIngesterConfig(
  ingester: Answer<'showConvention'>['ingester'],
  principal: Principal | undefined,
): Answer<'showConvention'>['ingester'] {
  if (ingester?.config === undefined || mayReadAllRuns(principal)) return ingester;
  return { ...ingester, config: null };
}
