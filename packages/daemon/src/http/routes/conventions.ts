import { deploy, planConvention } from '@osa/core/convention/deploy';
import { listDeploys, showConvention, showDeploy } from '@osa/core/convention/read';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  'deploy' | 'planDeploy' | 'listConventions' | 'showConvention' | 'listDeploys' | 'showDeploy'
>;

export function conventionRoutes({ store }: { readonly store: Store }): Routes {
  return {
    deploy: (call) => deploy(store, call.writer(), call.body, call.query),
    planDeploy: (call) => planConvention(store, call.writer().principal, call.body, call.query),
    listDeploys: ({ query }) => listDeploys(store, query),
    showDeploy: ({ params, principal }) => showDeploy(store, principal, params.id),
    listConventions: ({ query }) => store.registry.conventions(query),
    showConvention: ({ params, principal }) => showConvention(store, principal, params.slug),
  };
}
