import type { Answer } from '../../api/index.ts';
import { licenseEntity, licenseUrl } from '../../convention/license.ts';
import { rowDigest } from './row-digest.ts';

/** RO-Crate 1.1 with the Process Run Crate profile: the run as an action, the release as its instrument. */

const profile = 'https://w3id.org/ro/wfrun/process/0.5';
const specification = 'https://w3id.org/ro/crate/1.1';

/** `license` is that of the convention, if it declares one. */
export function roCrate(
  { row, record, run, release, hook }: Answer<'traceRow'>,
  license: string | null,
): object {
  const digest = rowDigest({ record: record.srn, hook: hook.name, ordinal: row.ordinal, values: row.values });
  const ids = {
    row: `#row-${hook.name}-${row.id}`,
    record: record.srn,
    run: `#run-${run.id}`,
    release: `#release-${hook.name}-${release.version}`,
    builder: `#actor-${encodeURIComponent(release.built_by)}`,
    archive: '#archive',
  };
  const domain = record.srn.split(':')[2];
  const about = (id: string) => ({ '@id': id });
  const passed = run.status === 'passed';
  const notices = row.recalled.map(({ id, reason }) => ({
    '@id': `urn:uuid:${id}`,
    '@type': 'CreativeWork',
    name: 'Recall',
    description: reason,
    about: about(ids.row),
  }));
  return {
    '@context': `${specification}/context`,
    '@graph': [
      {
        '@id': 'ro-crate-metadata.json',
        '@type': 'CreativeWork',
        conformsTo: about(specification),
        about: about('./'),
      },
      {
        '@id': './',
        '@type': 'Dataset',
        name: `Provenance of ${row.name}`,
        description: `How the row ${row.name} was computed from the record ${record.srn}`,
        datePublished: record.published_at,
        license: license === null ? 'The convention declares no licence' : about(licenseUrl(license)),
        conformsTo: [about(profile), about(specification)],
        mentions: [
          about(ids.run),
          about(ids.row),
          about(ids.record),
          ...notices.map((notice) => about(notice['@id'])),
        ],
      },
      ...(license === null ? [] : [licenseEntity(license)]),
      { '@id': profile, '@type': 'CreativeWork', name: 'Process Run Crate', version: '0.5' },
      {
        '@id': specification,
        '@type': 'CreativeWork',
        name: 'RO-Crate Metadata Specification',
        version: '1.1',
      },
      {
        '@id': ids.run,
        '@type': 'CreateAction',
        name: `Run of ${hook.name} v${release.version}`,
        description: `The hook ${hook.name} ran over a batch of records of ${record.convention}`,
        instrument: about(ids.release),
        object: [about(ids.record)],
        result: [about(ids.row)],
        agent: about(ids.archive),
        ...(run.started_at !== null && { startTime: isoTime(run.started_at) }),
        ...(run.finished_at !== null && { endTime: isoTime(run.finished_at) }),
        actionStatus: `http://schema.org/${passed ? 'CompletedActionStatus' : 'FailedActionStatus'}`,
        identifier: run.id,
      },
      {
        '@id': ids.release,
        '@type': 'SoftwareApplication',
        name: hook.name,
        softwareVersion: `v${release.version}, ${release.digest}`,
        url: release.source_ref,
        creator: about(ids.builder),
        dateCreated: release.built_at,
        identifier: release.digest,
      },
      {
        '@id': ids.row,
        '@type': 'PropertyValue',
        name: row.name,
        value: JSON.stringify(row.values),
        identifier: `sha256:${digest}`,
        ...(notices.length > 0 && { subjectOf: notices.map((notice) => about(notice['@id'])) }),
      },
      {
        '@id': ids.record,
        '@type': 'CreativeWork',
        name: record.source_id,
        version: String(record.version),
        datePublished: record.published_at,
        identifier: record.srn,
      },
      ...notices,
      { '@id': ids.builder, '@type': 'Person', name: release.built_by },
      {
        '@id': ids.archive,
        '@type': 'Organization',
        name: `The archive of ${domain}`,
        url: `https://${domain}`,
      },
    ],
  };
}

/** ISO 8601 with milliseconds and an offset, as the profile asks. */
function isoTime(time: string): string {
  return new Date(time).toISOString().replace('Z', '+00:00');
}
