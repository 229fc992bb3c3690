import type { Answer } from '@osa/core/api';
import { findIds } from '@osa/core/ids';
import type { Store } from '@osa/core/store';
import type { Metrics } from '../../metrics.ts';
import type { Handlers } from '../mount.ts';
import { openApi } from '../openapi.ts';

type Components = Answer<'ready'>['components'];

export interface ServiceParts {
  readonly store: Store;
  readonly version: string;
  readonly reads: 'public' | 'authenticated';
  readonly metrics: Metrics;
  /** Each part that the daemon needs, and how it is. Answers within a bound. */
  readonly check: () => Promise<Components>;
}

export function serviceRoutes(
  parts: ServiceParts,
): Pick<Handlers, 'health' | 'ready' | 'metrics' | 'openapi' | 'findIds'> {
  const { version, reads, metrics, check, store } = parts;
  let document: ReturnType<typeof openApi> | undefined;
  return {
    health: async () => ({ status: 'ok', version }),
    async ready({ reply }) {
      const components = await check();
      const isReady = Object.values(components).every(({ status }) => status !== 'error');
      if (!isReady) reply.code(503);
      return { status: isReady ? 'ready' : 'degraded', version, components };
    },
    async metrics({ reply }) {
      reply.type(metrics.contentType);
      return metrics.text();
    },
    findIds: ({ params, principal }) => findIds(store, principal, params),
    async openapi() {
      document ??= openApi({ version, reads });
      return document;
    },
  };
}
