import { deploy, planConvention } from '@osa/core/convention/deploy';
import { listDeploys, showConvention, showDeploy } from '@osa/core/convention/read';
import { activateDeploy } from '@osa/core/recompute/comparison/held-releases';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  | 'deploy'
  | 'planDeploy'
  | 'activateDeploy'
  | 'listConventions'
  | 'showConvention'
  | 'listDeploys'
  | 'showDeploy'
>;

export interface ConventionParts {
  readonly store: Store;
  /** Where images may come from; anywhere if there is none. */
  readonly registries: readonly string[];
}

export function conventionRoutes({ store, registries }: ConventionParts): Routes {
  return {
    deploy: async (call) => {
      const { compare, ...request } = call.body;
      const archive = await store.archive();
      return deploy(store, call.writer(), request, { ...call.query, compare, registries, archive });
    },
    planDeploy: async (call) => {
      const { compare, ...request } = call.body;
      const archive = await store.archive();
      const options = { ...call.query, compare, registries, archive };
      return planConvention(store, call.writer().principal, request, options);
    },
    activateDeploy: (call) => activateDeploy(store, call.writer(), call.params.id),
    listDeploys: ({ query }) => listDeploys(store, query),
    showDeploy: ({ params, principal }) => showDeploy(store, principal, params.id),
    listConventions: ({ query }) => store.registry.conventions(query),
    showConvention: ({ params, principal }) => showConvention(store, principal, params.slug),
  };
}
