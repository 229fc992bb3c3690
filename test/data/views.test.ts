import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DataArchive, dataArchive, ended } from './archive.ts';

/** The views for people with SQL. */

/** A convention whose `mass` is a text. */
const later = {
  slug: 'others',
  title: 'Others',
  description: 'x',
  schema: {
    id: 'other',
    version: '1.0.0',
    fields: [{ name: 'mass', type: 'text', required: true, cardinality: 'exactly_one' }],
  },
  file_requirements: { accepted_types: [], max_count: 0 },
  hooks: [],
} as const;

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

test('a recalled record says so, and its rows', async () => {
  const { sql } = archive.daemon.database.open(archive.daemon.database.appUrl);
  const notices = () => sql<{ source_id: string; notices: unknown; of_rows: unknown }[]>`
    select r.source_id, r._recalled as notices, p._recalled as of_rows
    from records."sample@1.0.0" r join current.probe p on p.record_srn = r.srn
    where r._recalled is not null or p._recalled is not null`;
  expect([...(await notices())]).toEqual([]);
  const [found] = await sql<{ srn: string }[]>`select srn from records."sample@1.0.0" where source_id = 'b'`;
  const json = { record: found?.srn ?? '', reason: 'melted' };
  const { id } = await archive.daemon.call('openRecall', { json });
  const notice = [{ id, reason: 'melted' }];
  expect([...(await notices())]).toEqual([{ source_id: 'b', notices: notice, of_rows: notice }]);
  await archive.daemon.call('closeRecall', { params: { id }, json: { reason: 'cast again' } });
  expect([...(await notices())]).toEqual([]);
});

test('a condition is looked at in records of the schema only', async () => {
  await archive.daemon.call('deploy', { json: later });
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

test('a list that came in as null is null', async () => {
  await archive.ingest([['nulls', { name: 'Nulls', tags: null, readings: [null].slice(1) }]]);
  const { sql } = archive.daemon.database.open(archive.daemon.database.appUrl);
  const rows = await sql`
    select tags is null as tags, json_array_length(tags), readings is null as readings
    from records."sample@1.0.0" where source_id = 'nulls'`;
  expect([...rows]).toEqual([{ tags: true, json_array_length: null, readings: false }]);
});

test('a role with the documented rights reads the views, also later ones, and nothing else', async () => {
  const { database } = archive.daemon;
  const owner = database.open(database.ownerUrl);
  const docs = await readFile(new URL('../../docs/data.md', import.meta.url), 'utf8');
  const [, documented = ''] = /```sql\n(create role analyst[\s\S]*?)```/.exec(docs) ?? [];
  const analyst = `analyst_${crypto.randomUUID().slice(0, 8)}`;
  await owner.sql.unsafe(documented.replaceAll('analyst', analyst));
  try {
    await archive.daemon.call('deploy', { json: { ...later, schema: { ...later.schema, id: 'later-one' } } });
    const as = async (query: string) =>
      owner.transaction(async (tx) => {
        await tx.unsafe(`set local role ${analyst}`);
        return tx.unsafe(query);
      });
    for (const view of ['records."sample@1.0.0"', 'records."later-one@1.0.0"', 'current.probe']) {
      expect(await as(`select count(*) from ${view}`)).toHaveLength(1);
    }
    for (const table of [
      'records',
      'published',
      'batch_records',
      'features.probe',
      'depositions',
      'sessions',
    ]) {
      await expect(as(`select from ${table}`), table).rejects.toMatchObject({ code: '42501' });
    }
  } finally {
    await owner.sql.unsafe(`drop owned by ${analyst}; drop role ${analyst}`);
  }
});
