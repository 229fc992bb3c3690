import type { Answer } from '@osa/core/api';
import { findIds } from '@osa/core/ids';
import type { Store } from '@osa/core/store';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Call, Handlers } from '../mount.ts';
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
): Pick<Handlers, 'health' | 'ready' | 'apiHealth' | 'apiReady' | 'metrics' | 'openapi' | 'findIds'> {
  const { version, reads, store } = parts;
  const check = oneAtATime(parts.check);
  const metrics = { ...parts.metrics, text: oneAtATime(parts.metrics.text) };
  let document: Buffer | undefined;
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
    findIds: ({ params, principal }) => findIds(store, principal, params),
    async openapi({ reply }) {
      // Clients that do not read hold the same bytes: a text is copied for each answer, and this one has 700 kB.
      document ??= Buffer.from(JSON.stringify(openApi({ version, reads })));
      reply.type('application/json; charset=utf-8');
      return document as never;
    },
  };
}

/** Callers that come while `work` is under way get its result, so that a flood of them costs little. */
function oneAtATime<T>(work: () => Promise<T>): () => Promise<T> {
  let doing: Promise<T> | undefined;
  return () => {
    doing ??= work().finally(() => {
      doing = undefined;
    });
    return doing;
  };
}
