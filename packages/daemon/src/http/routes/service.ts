import type { Answer } from '@osa/core/api';
import type { Metrics } from '../../metrics.ts';
import type { Call, Handlers } from '../mount.ts';
import { openApi } from '../openapi.ts';

type Components = Answer<'ready'>['components'];

export interface ServiceParts {
  readonly version: string;
  readonly reads: 'public' | 'authenticated';
  readonly metrics: Metrics;
  /** Each part that the daemon needs, and how it is. Answers within a bound. */
  readonly check: () => Promise<Components>;
}

export function serviceRoutes(
  parts: ServiceParts,
): Pick<Handlers, 'health' | 'ready' | 'apiHealth' | 'apiReady' | 'metrics' | 'openapi'> {
  const { version, reads, metrics, check } = parts;
  let document: ReturnType<typeof openApi> | undefined;
  const health = async () => ({ status: 'ok' as const, version });
  const ready = async ({ reply }: Pick<Call<'ready'>, 'reply'>): Promise<Answer<'ready'>> => {
    const components = await check();
    const isReady = Object.values(components).every(({ status }) => status !== 'error');
    if (!isReady) reply.code(503);
    return { status: isReady ? 'ready' : 'degraded', version, components };
  };
  return {
    health,
    ready,
    apiHealth: health,
    apiReady: ready,
    async metrics({ reply }) {
      reply.type(metrics.contentType);
      return metrics.text();
    },
    async openapi() {
      document ??= openApi({ version, reads });
      return document;
    },
  };
}
