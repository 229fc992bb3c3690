import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DataArchive, dataArchive, ended } from './archive.ts';

/** The views for people with SQL. */

let archive: DataArchive;
beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest([
    ['a', { name: 'Iron', mass: 1, cast_on: '2026-01-01', is_alloy: false, tags: ['x'] }],
    [
      'b',
      '{"name":"Bronze","mass":12345678901234567890,"cast_on":"2026-01-01T12:00:00+01:00","is_alloy":true}',
    ],
  ]);
  await archive.ingest([['a', { name: 'Iron', mass: 1.5, cast_on: '2026-01-01' }]]);
}, 60_000);
afterAll(() => archive.close());

test('records have typed columns, of the newest version', async () => {
  const { sql } = archive.daemon.database.open(archive.daemon.database.appUrl);
  const rows = await sql`
    select source_id, version, name, mass, cast_on, is_alloy, tags from records."sample@1.0.0" order by mass`;
  expect([...rows]).toEqual([
    {
      source_id: 'a',
      version: 2,
      name: 'Iron',
      mass: '1.5',
      cast_on: '2026-01-01T00:00:00Z',
      is_alloy: null,
      tags: null,
    },
    {
      source_id: 'b',
      version: 1,
      name: 'Bronze',
      mass: '12345678901234567890',
      cast_on: '2026-01-01T11:00:00Z',
      is_alloy: true,
      tags: null,
    },
  ]);
});

test('a condition is looked at in records of the schema only', async () => {
  const fields = [{ name: 'mass', type: 'text', required: true, cardinality: 'exactly_one' }];
  const schema = { id: 'other', version: '1.0.0', fields };
  const json = {
    slug: 'others',
    title: 'Others',
    description: 'x',
    schema,
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [],
  };
  await archive.daemon.call('deploy', { json });
  const body = '{"source_id":"x","metadata":{"mass":"heavy"}}\n';
  const { id } = await archive.daemon.call('ingest', { params: { slug: 'others' }, body });
  await ended(archive.daemon, id);
  const { sql } = archive.daemon.database.open(archive.daemon.database.appUrl);
  expect(await sql`select source_id from records."sample@1.0.0" where mass > 2`).toHaveLength(1);
  expect(await sql`select mass from records."other@1.0.0"`).toHaveLength(1);
});

test('rows have the SRN and the source id of their record', async () => {
  const { sql } = archive.daemon.database.open(archive.daemon.database.appUrl);
  const rows =
    await sql`select record_srn, record_source_id, release, score from current.probe order by score`;
  expect(rows.map(({ record_source_id, release, score }) => [record_source_id, release, score])).toEqual([
    ['a', 1, 1.5],
    ['b', 1, 12345678901234567000],
  ]);
  expect(rows[0]?.record_srn).toMatch(/^urn:osa:localhost:rec:.*@2$/);
});

test('the views read only what they need', async () => {
  const { sql } = archive.daemon.database.open(archive.daemon.database.appUrl);
  await expect(sql`select create_record_view('absent', '1.0.0')`).rejects.toMatchObject({ code: 'P0002' });
  await expect(sql`create view records.mine as select 1`).rejects.toMatchObject({ code: '42501' });
  await expect(sql`delete from records."sample@1.0.0"`).rejects.toMatchObject({ code: '55000' });
});
