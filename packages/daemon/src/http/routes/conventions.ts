import type { Answer } from '@osa/core/api';
import type { Principal } from '@osa/core/auth/principal';
import { unknownConvention } from '@osa/core/convention/convention';
import { deploy, planConvention } from '@osa/core/convention/deploy';
import { OsaError } from '@osa/core/error';
import type { Store } from '@osa/core/store';
import { mayReadAllRuns } from '@osa/core/trace/trace';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  'deploy' | 'planDeploy' | 'listConventions' | 'showConvention' | 'listDeploys' | 'showDeploy'
>;

export function conventionRoutes({ store }: { readonly store: Store }): Routes {
  return {
    deploy: (call) => deploy(store, call.writer(), call.body, call.query),
    planDeploy: (call) => planConvention(store, call.writer().principal, call.body, call.query),
    async listDeploys({ query }) {
      const found = await store.registry.deploys(query);
      const { convention } = query;
      // Each convention comes from a deploy; none of it means that there is no such convention, or no further page.
      if (convention !== undefined && found.items.length === 0 && query.cursor === undefined)
        throw unknownConvention(convention, 'convention');
      return found;
    },
    async showDeploy({ params: { id }, principal }) {
      const found = await store.registry.deploy(id);
      if (!found) throw unknownDeploy(id);
      // What was sent holds the configs of hooks, which may be secrets.
      return mayReadAllRuns(principal) ? found : { ...found, manifest: null };
    },
    listConventions: ({ query }) => store.registry.conventions(query),
    async showConvention({ params: { slug }, principal }) {
      const convention = await store.registry.convention(slug);
      if (!convention) throw unknownConvention(slug);
      return { ...convention, ingester: hideIngesterConfig(convention.ingester, principal) };
    },
  };
}

function unknownDeploy(id: string): OsaError {
  return new OsaError(
    'not_found',
    `no deploy has the id ${id}; \`osa deploys list\` shows those that there are`,
    {
      field: 'id',
    },
  );
}

/** An ingester's config may hold the credentials of its source. */
function hideIngesterConfig(
  ingester: Answer<'showConvention'>['ingester'],
  principal: Principal | undefined,
): Answer<'showConvention'>['ingester'] {
  if (ingester?.config === undefined || mayReadAllRuns(principal)) return ingester;
  return { ...ingester, config: null };
}
