import { deploy, planConvention } from '@osa/core/convention/deploy';
import { listDeploys, showConvention, showDeploy } from '@osa/core/convention/read';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  'deploy' | 'planDeploy' | 'listConventions' | 'showConvention' | 'listDeploys' | 'showDeploy'
>;

export interface ConventionParts {
  readonly store: Store;
  /** Where images may come from; anywhere if there is none. */
  readonly registries: readonly string[];
  readonly domain: string;
}

export function conventionRoutes({ store, registries, domain: archive }: ConventionParts): Routes {
  return {
    deploy: (call) => deploy(store, call.writer(), call.body, { ...call.query, registries, archive }),
    planDeploy: (call) =>
      planConvention(store, call.writer().principal, call.body, { ...call.query, registries, archive }),
    listDeploys: ({ query }) => listDeploys(store, query),
    showDeploy: ({ params, principal }) => showDeploy(store, principal, params.id),
    listConventions: ({ query }) => store.registry.conventions(query),
    showConvention: ({ params, principal }) => showConvention(store, principal, params.slug),
  };
}
