import type { Answer } from '../../api/index.ts';
import { rowDigest } from './row-digest.ts';

/** PROV-JSONLD: the row and its record as entities, the run as an activity, the release as its plan. */

const context = 'https://openprovenance.org/prov-jsonld/context.jsonld';

export function provDocument({ row, record, run, release, hook }: Answer<'traceRow'>): object {
  const ids = {
    row: `osa:row/${row.name}`,
    record: record.srn,
    run: `urn:uuid:${run.id}`,
    release: `osa:release/${hook.name}@${release.version}`,
    builder: `osa:actor/${encodeURIComponent(release.built_by)}`,
    archive: `osa:archive`,
  };
  const digest = rowDigest({ record: record.srn, hook: hook.name, ordinal: row.ordinal, values: row.values });
  const times = {
    ...(run.started_at !== null && { startTime: run.started_at }),
    ...(run.finished_at !== null && { endTime: run.finished_at }),
  };
  return {
    '@context': [{ osa: 'urn:osa:provenance:', xsd: 'http://www.w3.org/2001/XMLSchema#' }, context],
    '@graph': [
      {
        '@type': 'prov:Entity',
        '@id': ids.row,
        label: [{ '@value': row.name }],
        'osa:sha256': digest,
        'osa:values': typed(JSON.stringify(row.values)),
        ...recalledBy(row.recalled),
      },
      {
        '@type': 'prov:Entity',
        '@id': ids.record,
        label: [{ '@value': record.source_id }],
        'osa:convention': record.convention,
        'osa:schema': `${record.schema_id.id}@${record.schema_id.version}`,
        'osa:publishedAt': typed(record.published_at, 'xsd:dateTime'),
        ...recalledBy(record.recalled),
      },
      {
        '@type': 'prov:Entity',
        '@id': ids.release,
        type: ['prov:Plan'],
        label: [{ '@value': `${hook.name} v${release.version}` }],
        'osa:digest': release.digest,
        'osa:configDigest': release.config_digest,
        'osa:sourceRef': release.source_ref,
        'osa:builtAt': typed(release.built_at, 'xsd:dateTime'),
        ...recalledBy(release.recalled),
      },
      { '@type': 'prov:Activity', '@id': ids.run, ...times, 'osa:status': run.status ?? 'running' },
      { '@type': 'prov:Agent', '@id': ids.builder, label: [{ '@value': release.built_by }] },
      { '@type': 'prov:Agent', '@id': ids.archive, type: ['prov:SoftwareAgent'] },
      {
        '@type': 'prov:Generation',
        entity: ids.row,
        activity: ids.run,
        ...(run.finished_at !== null && { time: run.finished_at }),
      },
      { '@type': 'prov:Usage', activity: ids.run, entity: ids.record },
      { '@type': 'prov:Association', activity: ids.run, agent: ids.archive, plan: ids.release },
      { '@type': 'prov:Derivation', generatedEntity: ids.row, usedEntity: ids.record, activity: ids.run },
      { '@type': 'prov:Attribution', entity: ids.release, agent: ids.builder },
    ],
  };
}

/** Notices as `<id>: <reason>`. */
function recalledBy(notices: Answer<'traceRow'>['row']['recalled']): object {
  if (notices.length === 0) return {};
  return { 'osa:recalled': notices.map(({ id, reason }) => typed(`${id}: ${reason}`)) };
}

function typed(value: string, type = 'xsd:string') {
  return { '@value': value, '@type': type };
}
