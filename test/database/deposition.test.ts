import { runtimes } from '@osa/core/hook/release';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acts, ada, archiveWith, curator, submitted } from '../deposition/deposition-support.ts';
import type { CoreArchive } from '../support/core-archive.ts';
import { type AttackedDatabase, expectRefused, rehearse } from '../support/database/sql-attack.ts';

/** State, review and publication of a deposition are one, whatever the application says: the database proves it. */

let bench: CoreArchive;
let a: AttackedDatabase;
const ids: Record<string, string> = {};

beforeAll(async () => {
  bench = await archiveWith('manual');
  const owner = bench.open('owner');
  a = { app: bench.database, owner } as AttackedDatabase;
  const { id: accepted } = await submitted(bench, ada, -1);
  await acts(bench, ada).edit(accepted, { value: 1 });
  await acts(bench, ada).submit(accepted);
  await bench.drain();
  await acts(bench, curator).approve(accepted);
  const { id: returned } = await submitted(bench, ada, -1);
  const { id: held } = await submitted(bench, ada, 2);
  const { id: draft } = await acts(bench, ada).create({ value: 3 });
  const { id: running } = await acts(bench, ada).create({ value: 6 });
  await acts(bench, ada).submit(running);
  await bench.execution.queue.claim({ name: 'worker', leaseMs: 600_000, runtimes, fullHooks: [] });
  const { id: queued } = await acts(bench, ada).create({ value: 4 });
  await acts(bench, ada).submit(queued);
  await bench.ingest([{ source_id: 'upload', metadata: { value: 5 } }]);
  const [upload] = await owner.sql<{ id: string }[]>`select id from batches where ingestion in (
    select id from ingestions where deposition is null)`;
  Object.assign(ids, { accepted, returned, held, draft, running, queued, uploaded: upload?.id });
  await owner.sql`insert into files (sha256, size, actor) select ${'a'.repeat(64)}, 1, id from actors limit 1`;
  await owner.sql`insert into stored_files (sha256, head) values (${'a'.repeat(64)}, '')`;
});
afterAll(() => bench.dispose());

/** `$held` is a deposition, `$held.submission` its newest ingestion and `$held.batch` the batch of that. */
function named(statements: string): string {
  return statements
    .replaceAll('$uploaded', () => `'${ids.uploaded}'`)
    .replaceAll(
      /\$(\w+)\.batch/g,
      (_, name) =>
        `(select b.id from batches b join depositions d on d.submission = b.ingestion where d.id = '${ids[name]}')`,
    )
    .replaceAll(
      /\$(\w+)\.submission/g,
      (_, name) => `(select submission from depositions where id = '${ids[name]}')`,
    )
    .replaceAll(/\$(\w+)/g, (_, name) => `'${ids[name]}'`);
}

const actorOf = (subject: string) => `(select id from actors where subject = '${subject}')`;
const file = `'${'a'.repeat(64)}'`;

test.each([
  ["a deposition's owner changes", `update depositions set owner = ${actorOf('curator')} where id = $draft`],
  ['what is in review is edited', `update depositions set metadata = '{"value":9}' where id = $held`],
  ['what is published is edited', `update depositions set metadata = '{"value":9}' where id = $accepted`],
  [
    'the revision of what is published grows',
    'update depositions set metadata = metadata where id = $accepted',
  ],
  ['a deposition goes', 'delete from depositions where id = $draft'],
  ['what is in review gets a file', `insert into deposition_files values ($held, 'x.txt', ${file})`],
  ['a decision changes', "update reviews set decision = 'rejected', reason = 'x'"],
  ['a decision goes', 'delete from reviews'],
  ['what was answered changes', 'update held_runs set row_count = 0'],
  ['a row that was answered changes', "update held_rows set chunk = '{}'"],
])('%s: refused, of the owner too', async (_what, statement) => {
  await expectRefused(a, 'app', ['42501'], named(statement));
  await expectRefused(a, 'owner', ['42501'], named(statement));
});

test.each([
  ['a state', "update depositions set status = 'accepted' where id = $held"],
  ['a submission', 'update depositions set submission = $held.submission where id = $draft'],
  ['a revision', 'update depositions set revision = 1'],
  ['whether all may see it', 'delete from private_batches'],
  [
    'rules that are more lenient',
    `insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor, deposition, curation)
    select gen_random_uuid(), convention, schema_id, schema_version, 1, content_sha256, actor, $draft, 'auto' from ingestions limit 1`,
  ],
])('the application cannot say %s', async (_what, statement) => {
  await expectRefused(a, 'app', ['42501'], named(statement));
});

test.each([
  ['accepted', 'held'],
  ['accepted', 'draft'],
  ['accepted', 'queued'],
  ['in_review', 'queued'],
  ['draft', 'held'],
])('a deposition is not %s because the owner says so of one that is %s', async (status, of) => {
  await expectRefused(
    a,
    'owner',
    ['23503', '23514'],
    named(`update depositions set status = '${status}' where id = $${of}`),
  );
});

const ingestion = (values: { deposition: string; actor?: string; convention?: string }) =>
  `insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor, deposition)
   select gen_random_uuid(), convention, schema_id, schema_version, 1, content_sha256, ${values.actor ?? actorOf('ada')}, ${values.deposition}
   from ingestions limit 1`;

test.each([
  ['by somebody else', ingestion({ deposition: '$draft', actor: actorOf('curator') })],
  ['of what is in review', ingestion({ deposition: '$held' })],
  ['of what runs', ingestion({ deposition: '$queued' })],
  ['of what is published', ingestion({ deposition: '$accepted' })],
])('nothing is submitted %s', async (_what, statement) => {
  await expectRefused(a, 'app', ['23503'], named(statement));
});

interface Forged {
  readonly metadata?: string;
  readonly source?: string;
  /** The submission's id. */
  readonly which?: string;
}

/** A batch of one record for the newest submission of a deposition. */
const batchOf = (of: string, { metadata, source, which = '=' }: Forged = {}) =>
  named(`with batch as (
      insert into batches (id, ingestion, convention, index, records, invalid)
      select gen_random_uuid(), id, convention, 1, 1, 0 from ingestions where deposition = $${of} and id ${which} $${of}.submission
      returning id, ingestion)
    insert into batch_records (batch, line, source_id, metadata, content_digest, status)
    select b.id, 1, ${source ?? `'deposition-' || d.id`}, ${metadata ?? 'd.metadata'}, sha256('x'), 'pending'
    from batch b join ingestions i on i.id = b.ingestion join depositions d on d.id = i.deposition`);

test('a submission that came back may get another batch, and what is in it is the deposition', async () => {
  expect(await rehearse(a.app, batchOf('returned'))).toBe('done');
  for (const other of [{ metadata: `'{"value":9}'::json` }, { source: "'upload'" }]) {
    await expectRefused(a, 'app', ['23503'], batchOf('returned', other));
  }
});

test('what is published gets no other batch', async () => {
  for (const which of ['=', '<>']) {
    await expectRefused(a, 'app', ['42501', '23503'], batchOf('accepted', { which }));
  }
});

test.each([
  ['a batch that nobody runs goes', "update batches set status = 'held' where id = $queued.batch"],
  [
    'a batch goes without the answers of its hooks',
    "update batches set status = 'held', lease_until = null, claimed_by = null where id = $running.batch",
  ],
  ['a batch of an upload goes', "update batches set status = 'held' where id = $uploaded"],
])('%s into no review', async (_what, statement) => {
  await expectRefused(a, 'app', ['23503', '23514', '42501'], named(statement));
});

test.each([
  ['is run again', "update batches set status = 'queued' where id = $held.batch"],
  [
    'is claimed',
    "update batches set status = 'running', fence = fence + 1, lease_until = now() + interval '1 min', claimed_by = 'x' where id = $held.batch",
  ],
  ['gets another fence', 'update batches set fence = fence + 1 where id = $held.batch'],
])('what is in review never %s', async (_what, statement) => {
  await expectRefused(a, 'app', ['42501', '23503', '23514'], named(statement));
});

const held = {
  approve: review('approved', 'curator'),
  done: `update batches set status = 'done', finished_at = now(), published = 1, rows = 2 where id = $held.batch`,
  runs: `update runs r set status = h.status, finished_at = now(), output_digest = h.output_digest, row_count = h.row_count,
           input_digest = h.result ->> 'inputDigest', published_records = 1, published_rows = 1
         from held_runs h where h.run = r.id and h.batch = $held.batch`,
  outcomes: `insert into outcomes (run, batch, hook, batch_record, attempt, status, row_count)
    select r.id, r.batch, r.hook, b.id, 1, 'passed', 1
    from runs r join batch_records b on b.batch = r.batch where r.batch = $held.batch`,
  rows: ['checks', 'doubles']
    .map(
      (hook) => `insert into features.${hook} (outcome_id, run_id, ordinal, value)
        select id, run, 0, 4 from outcomes where batch = $held.batch and hook = '${hook}'`,
    )
    .join(';'),
  publish: `with published as (
      insert into records (batch_record, record_id, version, record_set)
      select b.id, s.record_id, 1, (select id from record_sets) from batch_records b
      join sources s on s.convention = 'bench' and s.source_id = b.source_id where b.batch = $held.batch)
    update batch_records set status = 'published' where batch = $held.batch`,
};

function review(decision: string, by: string, of = '$held'): string {
  return `insert into reviews (batch, deposition, decision, reason, actor)
    values (${of}.batch, ${of}, '${decision}', 'said so', ${actorOf(by)})`;
}

const approval = (changed: Partial<typeof held> = {}) =>
  named(
    Object.values({ ...held, ...changed })
      .filter(Boolean)
      .join(';'),
  );

test('the honest approval passes', async () => {
  expect(await rehearse(a.app, approval())).toBe('done');
});

test.each([
  ['without a decision', { approve: '' }],
  ['by a rejection', { approve: review('rejected', 'curator') }],
  ["by the owner's own approval", { approve: review('approved', 'ada') }],
  ['by a decision about another one', { approve: review('approved', 'curator', '$queued') }],
  [
    'with another output than the reviewer saw',
    { runs: held.runs.replace('= h.output_digest', "= repeat('c', 64)") },
  ],
  [
    'with fewer rows than the reviewer saw',
    {
      runs: held.runs.replace('= h.row_count', '= 0'),
      outcomes: held.outcomes.replace("'passed', 1", "'passed', 0"),
      rows: '',
    },
  ],
])('nothing is published %s', async (_what, changed) => {
  await expectRefused(a, 'app', ['23503'], approval(changed));
});

test.each([
  ['of what is not in review', review('rejected', 'curator', '$queued')],
  ['of what is published', review('rejected', 'curator', '$accepted')],
  ['that decides nothing', review('approved', 'curator')],
])('there is no decision %s', async (_what, statement) => {
  await expectRefused(a, 'app', ['23503', '23505'], named(statement));
});

test.each([
  [
    'answers of another batch',
    `insert into held_runs (run, batch, fence, status, row_count, result)
    select id, batch, 1, 'passed', 0, '{}' from runs where batch = $accepted.batch limit 1`,
  ],
  [
    'more rows',
    `insert into held_rows (run, position, chunk)
    select run, 7, '{"rowCount":1}' from held_runs where batch = $held.batch limit 1`,
  ],
])('nothing in review gets %s', async (_what, statement) => {
  await expectRefused(a, 'app', ['23503'], named(statement));
});
