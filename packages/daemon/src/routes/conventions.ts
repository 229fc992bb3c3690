import { deploy } from '@osa/core/convention/deploy';
import { OsaError } from '@osa/core/error';
import type { Store } from '@osa/core/store';
import type { Handlers } from '../mount.ts';

type Routes = Pick<Handlers, 'deploy' | 'listConventions' | 'showConvention'>;

export function conventionRoutes({ store }: { readonly store: Store }): Routes {
  return {
    deploy: (call) => deploy(store, call.writer(), call.body),
    listConventions: () => store.registry.conventions(),
    async showConvention({ params: { slug } }) {
      const convention = await store.registry.convention(slug);
      if (!convention) throw new OsaError('not_found', `no convention is named ${slug}`, { field: 'slug' });
      return convention;
    },
  };
}
