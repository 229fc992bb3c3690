import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commit, named, publish, type Step, startAttempt } from '../support/database/commit-by-hand.ts';
import { attackAtOnce, attackedDatabase, expectRefused, rehearse } from '../support/database/sql-attack.ts';

/** The way to rows: records, runs and attempts come in their order or not at all, and are published as they came. */

let a: Awaited<ReturnType<typeof attackedDatabase>>;
beforeAll(async () => {
  a = await attackedDatabase();
});
afterAll(() => a.close());

const refuses = (code: string, statements: string) => expectRefused(a, 'app', [code], statements);

const insertOnly = (sources: string) =>
  `${publish(sources).split('returning batch_record')[0]?.replace('with published as (', '')}`;
const recordOf = (source: string, version: number) =>
  `(select batch_record from published where source_id = '${source}' and version = ${version})`;

const idOf = (source: string) => `(select record_id from sources where source_id = '${source}')`;

/** Publishes `sources` into a set that is made for it, which differs from theirs in `changed`. */
function publishInto(
  changed: Partial<Record<'convention' | 'schema_version' | 'domain', string>>,
  sources: string,
): string {
  const columns = {
    convention: 'convention',
    schema_version: 'schema_version',
    domain: 'domain',
    ...changed,
  };
  const same = Object.entries(columns).map(([name, value]) => `s.${name} = ${value}`);
  return `insert into record_sets (convention, schema_version, domain, schema_id)
      select ${Object.values(columns).join(', ')}, schema_id from record_sets;
    ${publish(sources, { record_set: `(select s.id from record_sets s where ${same.join(' and ').replace(/= (\w+)(?= and|$)/g, '= s.$1')})` })}`;
}

const otherConvention = `insert into conventions (slug, title, description, schema_id, schema_version, file_requirements)
    select 'other', title, description, schema_id, schema_version, file_requirements from conventions;
  insert into deploys (id, slug, manifest, manifest_digest, changed, changes, actor)
    select gen_random_uuid(), 'other', manifest, manifest_digest, changed, changes, actor from deploys limit 1`;
const otherSchema = `insert into schemas (id, version, title, fields, open_text, actor)
    select id, '2.0.0', title, fields, open_text, actor from schemas`;

test.each<readonly [string, string, Partial<Record<Step, string>>]>([
  ['that no batch brought in', '23503', { publish: insertOnly("'one'") }],
  [
    'that is inserted first and claimed later',
    '23503',
    {
      publish: `${insertOnly("'one'")}; update batch_records set status = 'published' where batch = $held and source_id = 'one'`,
    },
  ],
  ['that a hook rejected', '23503', { publish: publish("'two'") }],
  [
    'while the batch is not done',
    '23503',
    { batch: '', runs: '', energy: '', radius: '', energyRows: '', moreEnergyRows: '', radiusRows: '' },
  ],
  ['that a hook was not asked about', '23503', { radius: '', radiusRows: '' }],
  [
    'of another convention',
    '23503',
    { publish: `${otherConvention}; ${publishInto({ convention: "'other'" }, "'one'")}` },
  ],
  ['of no set', '23503', { publish: publish("'one'", { record_set: '0' }) }],
  ['of another source', '23503', { publish: publish("'one'", { record_id: idOf('two') }) }],
  ['of another batch record', '23503', { publish: publish("'one'", { batch_record: 'b.id + 1' }) }],
  [
    'of a batch record that has become another one',
    '23505',
    {
      publish: publish("'one'", {
        batch_record: "(select id from batch_records where batch = $done and source_id = 'same')",
      }),
    },
  ],
  [
    'of another schema',
    '23503',
    { publish: `${otherSchema}; ${publishInto({ schema_version: "'2.0.0'" }, "'one'")}` },
  ],
  ['that skips a version', '23503', { publish: publish("'one'", { version: '2' }) }],
  ['whose version is there', '23505', { publish: publish("'passed'", { version: '1' }) }],
  ['whose version is none', '23514', { publish: publish("'one'", { version: '0' }) }],
  ['under another’s name', '23503', { publish: publish("'one'", { record_id: idOf('same'), version: '2' }) }],
  [
    'under a name that is nobody’s',
    '23503',
    { publish: publish("'one'", { record_id: 'gen_random_uuid()' }) },
  ],
  [
    'of a domain that its first version did not have',
    '23503',
    { publish: publishInto({ domain: "'forged.example'" }, "'passed'") },
  ],
  [
    'that is published already',
    '23503',
    {
      publish: `update batch_records set status = 'published' where batch = $held and source_id = 'passed'`,
    },
  ],
  [
    'as unchanged that is another source’s',
    '23503',
    {
      publish: `update batch_records set status = 'unchanged', record = ${recordOf('same', 1)} where batch = $held and source_id = 'one'`,
    },
  ],
  [
    'as unchanged that has changed',
    '23503',
    {
      publish: `update batch_records set status = 'unchanged', record = ${recordOf('passed', 2)} where batch = $held and source_id = 'passed'`,
    },
  ],
  [
    'as unchanged that has changed since',
    '23503',
    {
      publish: `update batch_records set status = 'unchanged', record = ${recordOf('passed', 1)} where batch = $held and source_id = 'passed'`,
    },
  ],
  [
    'as unchanged that is not there',
    '23503',
    {
      publish:
        "update batch_records set status = 'unchanged', record = 0 where batch = $held and source_id = 'one'",
    },
  ],
  [
    'for two batch records',
    '23503',
    {
      publish: `${publish("'one'")}; update batch_records set status = 'published' where batch = $held and source_id = 'passed'`,
    },
  ],
  [
    'is made for what is published',
    '23503',
    { publish: "update batch_records set status = 'published' where batch = $held and source_id = 'one'" },
  ],
])('no record %s: %s', async (_, code, changed) => {
  expect(await attackAtOnce(a.app, commit(a, changed))).toBe(code);
  await refuses(code, commit(a, changed));
});

test('a first version may be of another domain: the archive can be renamed', async () => {
  const statements = commit(a, { publish: publishInto({ domain: "'renamed.example'" }, "'one'") });
  expect(await attackAtOnce(a.app, statements)).toBe('done');
});

const join = (batch: string) =>
  `insert into batch_records (batch, source_id, line, metadata, content_digest) values (${batch}, 'late', 9, '{}', sha256('x'))`;
const source = (values: string) =>
  `insert into sources (convention, source_id, record_id, last_batch) values (${values})`;
const batchOf = (convention: string, records: number) =>
  `insert into batches (id, ingestion, convention, index, records)
   select gen_random_uuid(), ingestion, '${convention}', 9, ${records} from batches where id = $held`;
const theNew = '(select id from batches where index = 9)';
const runOf = (batch: string, hook: string, version: number) =>
  `insert into runs (id, batch, hook, version) values (gen_random_uuid(), ${batch}, '${hook}', ${version})`;
const claim = (batch: string) => `${runOf(batch, 'energy', 1)}; ${runOf(batch, 'radius', 1)};
  update batches set status = 'running', fence = fence + 1, snapshot_at = now(), lease_until = now() + interval '1 min'
  where id = ${batch}`;
const deployed = `insert into deploys (id, slug, manifest, manifest_digest, changed, changes, actor)
  select gen_random_uuid(), slug, manifest, manifest_digest, changed, changes, actor from deploys limit 1`;

describe('before the commit', () => {
  test.each([
    ['a claim of the waiting batch', claim('$queued')],
    [
      'a claim after the convention has lost a hook',
      `${deployed}; delete from convention_hooks where hook = 'radius';
      ${claim('$queued').replace(runOf('$queued', 'radius', 1), 'select')}`,
    ],
    ['the next attempt, under the present fence', startAttempt('$held', 2)],
    ['a batch with its record', `${batchOf('quakes', 1)}; ${join(theNew)}`],
  ])('accepted: %s', async (_, statement) => {
    expect(await rehearse(a.app, named(a, statement))).toBe('done');
  });

  test.each([
    ['a run under a release that is not live', '23503', runOf('$queued', 'energy', 2)],
    ['a run under another hook’s release', '23503', runOf('$queued', 'radius', 2)],
    ['a run of a hook that is not there', '23503', runOf('$queued', 'forged', 1)],
    [
      'a run of a hook that the convention has not',
      '23503',
      `${deployed}; delete from convention_hooks where hook = 'radius'; ${runOf('$queued', 'radius', 1)}`,
    ],
    ['a run after the snapshot', '23503', runOf('$held', 'energy', 1)],
    ['a run of an ended batch', '23503', runOf('$done', 'energy', 1)],
    ['a second run of a hook', '23505', `${runOf('$queued', 'energy', 1)}; ${runOf('$queued', 'energy', 1)}`],
    ['an attempt under an older fence', '23503', startAttempt('$held', 2, '- 1')],
    ['an attempt under a later fence', '23503', startAttempt('$held', 2, '+ 1')],
    ['an attempt that is there already', '23503', startAttempt('$held', 1)],
    ['an attempt that skips a number', '23503', startAttempt('$held', 3)],
    ['an attempt of an ended batch', '23503', startAttempt('$done', 2)],
    [
      'an attempt of an ended run',
      '23503',
      `update runs set status = 'error', finished_at = now() where batch = $held; ${startAttempt('$held', 2)}`,
    ],
    [
      'an attempt after the lease',
      '23503',
      `update batches set lease_until = now() - interval '1 s' where id = $held; ${startAttempt('$held', 2)}`,
    ],
    ['a record that joins an ended batch', '23503', join('$done')],
    ['a record that joins a batch that runs', '23503', join('$held')],
    ['a record that joins a batch that waits', '23503', join('$queued')],
    [
      'a record that comes after the claim',
      '23503',
      `${batchOf('quakes', 1)}; ${claim(theNew)}; ${join(theNew)}`,
    ],
    ['a batch with fewer records than it says', '23503', `${batchOf('quakes', 2)}; ${join(theNew)}`],
    ['a record that comes twice', '23505', join('$queued').replace("'late'", "'queued'")],
    ['a record of a batch that is not there', '23503', join('gen_random_uuid()')],
    [
      'a source of a batch that is not there',
      '23503',
      source("'quakes', 'new', gen_random_uuid(), gen_random_uuid()"),
    ],
    [
      'a source of another convention than its batch',
      '23503',
      source("'other', 'new', gen_random_uuid(), $held"),
    ],
    [
      'a source that goes to a batch that is not there',
      '23503',
      'update sources set last_batch = gen_random_uuid()',
    ],
    ['a batch of another convention than its ingestion', '23503', batchOf('forged', 0)],
  ])('%s: %s', async (_, code, statement) => {
    expect(await attackAtOnce(a.app, named(a, statement))).toBe(code);
    await refuses(code, named(a, statement));
  });

  test('a batch without the records that it counts, or with an open run, does not end', async () => {
    const runs = `update runs set status = 'passed', finished_at = now() where batch = ${theNew}`;
    const end = `update batches set status = 'done', lease_until = null, finished_at = now() where id = ${theNew}`;
    const claimed = (records: number) => `${batchOf('quakes', records)}; ${claim(theNew)}`;
    expect(await rehearse(a.app, named(a, `${claimed(0)}; ${runs}; ${end}`))).toBe('done');
    await refuses('23503', named(a, `${claimed(1)}; ${runs}; ${end}`));
    await refuses('23503', named(a, `${claimed(0)}; ${end}`));
  });
});
