import type { Answer } from '@osa/core/api';
import { isUrl, licenseEntity, licenseUrl } from '@osa/core/convention/license';
import type { ColumnKind, TableColumn } from '@osa/core/data/table';

/** The descriptions of an export: Data Package 2.0, and RO-Crate 1.1 with a Process Run Crate in it. */

type Convention = Answer<'showConvention'>;

export interface ExportedTable {
  /** `records`, or the hook's name. */
  readonly name: string;
  readonly path: string;
  readonly format: 'csv' | 'parquet';
  readonly columns: readonly TableColumn[];
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly runs: readonly ExportedRun[];
}

/** A run that made rows of the table. */
export interface ExportedRun {
  readonly id: string;
  readonly release: number;
  readonly finished_at: string;
}

export interface ExportedRelease {
  readonly hook: string;
  readonly version: number;
  readonly digest: string;
  readonly source_ref: string;
  readonly built_at: string;
}

export type ExportedRecall = Pick<
  Answer<'listRecalls'>['items'][number],
  'id' | 'fact' | 'asked' | 'reason' | 'advice' | 'opened_at'
>;

export interface Export {
  readonly server: string;
  readonly convention: Convention;
  readonly schema: string;
  readonly as_of: string;
  readonly tables: readonly ExportedTable[];
  readonly releases: readonly ExportedRelease[];
  /** The open recalls that touch it. */
  readonly recalls: readonly ExportedRecall[];
}

const mediaTypes = { csv: 'text/csv', parquet: 'application/vnd.apache.parquet' } as const;

export function dataPackage({ convention, schema, as_of, tables, server, recalls }: Export): object {
  return {
    $schema: 'https://datapackage.org/profiles/2.0/datapackage.json',
    name: convention.id,
    title: convention.title,
    description: convention.description,
    ...(convention.license !== null && { licenses: [licenseOf(convention.license)] }),
    created: as_of,
    sources: [{ title: `Convention ${convention.id}, schema ${schema}`, path: server }],
    ...(recalls.length > 0 && { recalls }),
    resources: tables.map((table) => ({
      name: table.name,
      path: table.path,
      ...(table.format === 'csv' && { type: 'table' }),
      format: table.format,
      mediatype: mediaTypes[table.format],
      ...(table.format === 'csv' && { encoding: 'utf-8' }),
      bytes: table.bytes,
      hash: `sha256:${table.sha256}`,
      schema: {
        $schema: 'https://datapackage.org/profiles/2.0/tableschema.json',
        fields: table.columns.map(fieldOf),
        missingValues: [''],
        primaryKey: [table.name === 'records' ? 'srn' : 'id'],
        ...(table.name !== 'records' && {
          foreignKeys: [{ fields: ['record_srn'], reference: { resource: 'records', fields: ['srn'] } }],
        }),
      },
    })),
  };
}

/** A licence by its name, where SPDX has one, and by its address. */
function licenseOf(license: string): object {
  return { ...(!isUrl(license) && { name: license }), path: licenseUrl(license) };
}

function fieldOf({ name, kind, description, unit }: TableColumn): object {
  const type = fieldTypes[kind];
  return {
    name,
    type,
    ...(type === 'boolean' && { trueValues: ['True'], falseValues: ['False'] }),
    ...(description !== undefined && { description }),
    ...(unit !== undefined && { unit }),
  };
}

const fieldTypes: Readonly<Record<ColumnKind, string>> = {
  text: 'string',
  // A date or a time, as it was written.
  moment: 'string',
  uuid: 'string',
  decimal: 'number',
  double: 'number',
  integer: 'integer',
  boolean: 'boolean',
  time: 'datetime',
  date: 'date',
  list: 'array',
  json: 'any',
};

type Entity = Readonly<Record<string, unknown>>;
const ref = (id: string) => ({ '@id': id });

export function roCrate(given: Export): object {
  const { convention, as_of, tables, releases, recalls, server } = given;
  const actions = tables.flatMap((table) => table.runs.map((run) => actionOf(table, run)));
  const process = 'https://w3id.org/ro/wfrun/process/0.5';
  const graph: Entity[] = [
    {
      '@id': 'ro-crate-metadata.json',
      '@type': 'CreativeWork',
      conformsTo: ref('https://w3id.org/ro/crate/1.1'),
      about: ref('./'),
    },
    {
      '@id': './',
      '@type': 'Dataset',
      name: convention.title,
      description: convention.description,
      datePublished: as_of,
      license:
        convention.license === null
          ? 'The convention declares no licence'
          : ref(licenseUrl(convention.license)),
      conformsTo: ref(process),
      hasPart: [...tables.map(({ path }) => ref(path)), ref('datapackage.json')],
      mentions: [
        ...actions.map((action) => ref(String(action['@id']))),
        ...recalls.map(({ id }) => ref(`urn:uuid:${id}`)),
      ],
    },
    ...(convention.license === null ? [] : [licenseEntity(convention.license)]),
    { '@id': process, '@type': 'CreativeWork', name: 'Process Run Crate', version: '0.5' },
    {
      '@id': 'datapackage.json',
      '@type': 'File',
      name: 'Data Package with the columns, types and units of the tables',
      encodingFormat: 'application/json',
    },
    ...tables.map((table) => ({
      '@id': table.path,
      '@type': 'File',
      name: table.name === 'records' ? `Records of ${convention.id}` : `Rows of ${table.name}`,
      encodingFormat: mediaTypes[table.format],
      contentSize: String(table.bytes),
    })),
    ...releases.map((release) => ({
      '@id': releaseId(release.hook, release.version),
      '@type': 'SoftwareApplication',
      name: `${release.hook} v${release.version}`,
      version: String(release.version),
      identifier: release.digest,
      url: release.source_ref,
      dateCreated: release.built_at,
    })),
    ...actions,
    { '@id': archiveId, '@type': 'Organization', name: 'The archive', url: server },
    ...recalls.map(recallEntity),
  ];
  return { '@context': 'https://w3id.org/ro/crate/1.1/context', '@graph': graph };
}

/** A notice on some of the rows or records. */
function recallEntity({ id, reason, advice, opened_at }: ExportedRecall): Entity {
  return {
    '@id': `urn:uuid:${id}`,
    '@type': 'CreativeWork',
    name: 'Recall',
    description: advice === null ? reason : `${reason}. ${advice}`,
    datePublished: opened_at,
    about: ref('./'),
  };
}

function actionOf(table: ExportedTable, run: ExportedRun): Entity {
  const folder = table.path.replace(/[^/]*$/, '');
  return {
    '@id': `urn:uuid:${run.id}`,
    '@type': 'CreateAction',
    name: `Run of ${table.name} v${run.release}`,
    description: `The hook ${table.name} ran over a batch of records`,
    agent: ref(archiveId),
    instrument: ref(releaseId(table.name, run.release)),
    object: ref(`${folder}records.${table.format}`),
    result: ref(table.path),
    // Milliseconds and an offset, as the profile asks.
    endTime: new Date(run.finished_at).toISOString().replace('Z', '+00:00'),
    actionStatus: ref('http://schema.org/CompletedActionStatus'),
  };
}

const archiveId = '#archive';
const releaseId = (hook: string, version: number) => `#${hook}@${version}`;
