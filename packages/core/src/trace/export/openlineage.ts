import type { Answer } from '../../api/index.ts';

/** OpenLineage 2-0-2: the run of a row as its START and COMPLETE or FAIL events. */

const producer = 'urn:osa:daemon';
const spec = 'https://openlineage.io/spec';

const facet = (name: string, version: string) => ({
  _producer: producer,
  _schemaURL: `${spec}/facets/${version}/${name}.json#/$defs/${name}`,
});

type Traced = Pick<Answer<'traceRow'>, 'run' | 'release' | 'hook'> & {
  readonly record: {
    readonly convention: string;
    readonly schema_id?: Answer<'traceRow'>['record']['schema_id'];
  };
};

/** `namespace` is the archive's: `osa://<domain>`. */
export function runEvents({ run, release, hook, record }: Traced, namespace: string): object[] {
  const job = {
    namespace,
    name: `${record.convention}.${hook.name}`,
    facets: {
      jobType: {
        ...facet('JobTypeJobFacet', '2-0-4'),
        processingType: 'BATCH',
        integration: 'OSA',
        jobType: 'HOOK',
      },
      ...sourceLocation(release.source_ref),
    },
  };
  const inputs = [
    {
      namespace,
      name: `${record.convention}.records`,
      facets: {
        ...(record.schema_id && {
          version: {
            ...facet('DatasetVersionDatasetFacet', '1-0-1'),
            datasetVersion: `${record.schema_id.id}@${record.schema_id.version}`,
          },
        }),
      },
    },
  ];
  const output = {
    namespace,
    name: `features.${hook.name}`,
    facets: {
      schema: {
        ...facet('SchemaDatasetFacet', '1-2-0'),
        fields: hook.feature.columns.map(({ name, json_type, description }) => ({
          name,
          type: json_type,
          ...(description && { description }),
        })),
      },
      version: {
        ...facet('DatasetVersionDatasetFacet', '1-0-1'),
        datasetVersion: `release ${release.version}`,
      },
      ...recalledTags(run.recalled),
    },
  };
  const event = (eventType: string, eventTime: string | null, outputs: readonly object[]) => ({
    eventType,
    eventTime,
    producer,
    schemaURL: `${spec}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
    run: { runId: run.id },
    job,
    inputs,
    outputs,
  });
  // A run's own start is stored at its end.
  const began = run.started_at ?? run.attempts[0]?.started_at ?? run.finished_at;
  if (began === null) return [];
  const start = event('START', began, [output]);
  if (run.finished_at === null) return [start];
  const statistics = {
    outputStatistics: {
      ...facet('OutputStatisticsOutputDatasetFacet', '1-0-2'),
      rowCount: run.row_count ?? 0,
    },
  };
  const end = run.status === 'passed' ? 'COMPLETE' : 'FAIL';
  return [start, event(end, run.finished_at, [{ ...output, outputFacets: statistics }])];
}

/** Notices as tags: `recalled` with the reason. */
function recalledTags(notices: Answer<'traceRow'>['run']['recalled']): object {
  if (notices.length === 0) return {};
  const tags = notices.map(({ id, reason }) => ({ key: 'recalled', value: reason, source: `recall ${id}` }));
  return { tags: { ...facet('TagsDatasetFacet', '1-0-0'), tags } };
}

/** The location of a source that names a repository on the web. */
function sourceLocation(ref: string): object {
  const [, repoUrl, version] = /^git\+(https:\/\/.+?)(?:\.git)?@([^@]+)$/.exec(ref) ?? [];
  if (repoUrl === undefined) return {};
  return {
    sourceCodeLocation: {
      ...facet('SourceCodeLocationJobFacet', '1-1-0'),
      type: 'git',
      url: repoUrl,
      repoUrl,
      version,
    },
  };
}
