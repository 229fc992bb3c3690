import type { Store } from '@osa/core/store';
import { exportRow } from '@osa/core/trace/export/export';
import { findTraced } from '@osa/core/trace/find';
import { sourceHistory } from '@osa/core/trace/history';
import { impact, impactRows } from '@osa/core/trace/impact';
import { traceDeploy, traceRelease, traceRun, traceSource } from '@osa/core/trace/stories';
import { traceRecord, traceRow } from '@osa/core/trace/trace';
import { attestationFile, fileAttestation } from '../../attestation.ts';
import type { DaemonConfig } from '../../config/config.ts';
import type { Handlers } from '../mount.ts';

type Routes = Pick<
  Handlers,
  | 'findTraced'
  | 'traceRow'
  | 'traceRecord'
  | 'traceSource'
  | 'sourceHistory'
  | 'traceRun'
  | 'traceRelease'
  | 'traceDeploy'
  | 'impact'
  | 'impactRows'
  | 'exportRow'
  | 'attestationKeys'
>;

export function traceRoutes({
  store,
  config,
}: {
  readonly store: Store;
  readonly config: Pick<DaemonConfig, 'dataDirectory' | 'domain' | 'mode'>;
}): Routes {
  const attestation = fileAttestation(attestationFile(config.dataDirectory), {
    makes: config.mode === 'development',
  });
  const { domain } = config;
  return {
    findTraced: ({ query, principal }) => findTraced(store, principal, query),
    traceRow: ({ params, principal }) => traceRow(store, principal, params),
    traceRecord: ({ params }) => traceRecord(store, params.srn),
    traceSource: ({ query }) => traceSource(store, sourceOf(query)),
    sourceHistory: ({ query }) => sourceHistory(store, sourceOf(query), query),
    traceRun: ({ params, principal }) => traceRun(store, principal, params.id),
    traceRelease: ({ params, principal }) => traceRelease(store, principal, params),
    impact: ({ query }) => impact(store, query),
    impactRows: ({ query: { limit, cursor, ...asked } }) => impactRows(store, asked, { limit, cursor }),
    async exportRow({ params, principal, reply }) {
      const text = await exportRow(store, principal, params, { domain, attestation });
      reply.type(exportTypes[params.format]);
      return Buffer.from(text);
    },
    attestationKeys: async () => ({ keys: await attestation.published() }),
    traceDeploy: ({ params }) => traceDeploy(store, params.id),
  };
}

const exportTypes = {
  'prov-jsonld': 'application/ld+json; charset=utf-8',
  'ro-crate': 'application/ld+json; charset=utf-8',
  openlineage: 'application/json; charset=utf-8',
  'in-toto': 'application/vnd.dsse.envelope.v1+json',
} as const;

function sourceOf({ convention, source_id }: { readonly convention: string; readonly source_id: string }) {
  return { convention, sourceId: source_id };
}
