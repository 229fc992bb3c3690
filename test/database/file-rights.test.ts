import { afterAll, beforeAll, expect, test } from 'vitest';
import { acts, ada, archiveWith, ben, curator, submitted } from '../deposition/deposition-support.ts';
import type { CoreArchive } from '../support/core-archive.ts';
import {
  type AttackedDatabase,
  attackAtOnce,
  expectRefused,
  rehearse,
} from '../support/database/sql-attack.ts';

/**
 * Whatever the application says: a digest opens no file that its actor has not sent and nobody has published, what is deleted
 * stays so, and an operator's end is an end.
 */

let bench: CoreArchive;
let a: AttackedDatabase;
const ids: Record<string, string> = {};
const digest = (letter: string) => letter.repeat(64);

beforeAll(async () => {
  bench = await archiveWith('manual');
  const owner = bench.open('owner');
  a = { app: bench.database, owner } as AttackedDatabase;
  for (const [who, value] of [
    [ada, 1],
    [ben, 2],
  ] as const) {
    const { id } = await acts(bench, who).create({ value });
    ids[who.subject] = id;
  }
  const { id: held } = await submitted(bench, ben, 3);
  const { id: gone } = await submitted(bench, ada, -1);
  const { id: queued } = await acts(bench, ada).create({ value: 4 });
  await acts(bench, ada).submit(queued);
  await acts(bench, curator).create({ value: 5 });
  Object.assign(ids, { held, gone, queued });
  await owner.sql`
    insert into files (sha256, size, actor) select letter, 1, (select id from actors where subject = 'ada')
    from unnest(array[${digest('a')}, ${digest('b')}]) as f (letter)`;
  await owner.sql`insert into stored_files (sha256, head) select sha256, '' from files where size = 1 and sha256 ~ '^(a+|b+)$'`;
  await owner.sql`insert into file_senders (actor, sha256) select id, ${digest('a')} from actors where subject = 'ada'`;
  await owner.sql`update depositions set deleted_by = owner where id = ${gone}`;
});
afterAll(() => bench.dispose());

const actorOf = (subject: string) => `(select id from actors where subject = '${subject}')`;
const draftFile = (who: string, letter: string) =>
  `insert into deposition_files (deposition, name, sha256) values ('${ids[who]}', 'x.txt', '${digest(letter)}')`;

test('a draft names a file that its owner has sent', async () => {
  expect(await rehearse(a.app, draftFile('ada', 'a'))).toBe('done');
});

test.each([
  ['that somebody else has sent', 'ben', 'a'],
  ['that nobody has sent', 'ada', 'b'],
])('a draft names no file %s', async (_what, who, letter) => {
  for (const as of ['app', 'owner'] as const) await expectRefused(a, as, ['23503'], draftFile(who, letter));
});

/** An upload of one record with a file, by somebody. */
const upload = (who: string, letter: string) => `
  with ingestion as (
    insert into ingestions (id, convention, schema_id, schema_version, batch_size, content_sha256, actor)
    select gen_random_uuid(), convention, schema_id, schema_version, 1, content_sha256, ${actorOf(who)} from ingestions limit 1
    returning id, convention),
  batch as (
    insert into batches (id, ingestion, convention, index, records, invalid)
    select gen_random_uuid(), id, convention, 0, 1, 0 from ingestion returning id)
  insert into batch_records (batch, line, source_id, metadata, content_digest, status)
  select id, 1, 'forged', '{"value":1}', sha256('x'), 'pending' from batch;
  insert into record_files (batch_record, name, sha256)
  select id, 'x.txt', '${digest(letter)}' from batch_records where source_id = 'forged'`;

test('a record comes in with a file that was sent for it', async () => {
  expect(await rehearse(a.app, upload('ada', 'a'))).toBe('done');
});

test.each([
  ['that somebody else has sent', 'ben', 'a'],
  ['that nobody has sent', 'ada', 'b'],
])('a record comes in with no file %s', async (_what, who, letter) => {
  for (const as of ['app', 'owner'] as const) await expectRefused(a, as, ['23503'], upload(who, letter));
});

test.each([
  ['deleted by another', `update depositions set deleted_by = ${actorOf('curator')} where id = $ada`],
  ['deleted while it is in review', 'update depositions set deleted_by = owner where id = $held'],
  ['deleted while its hooks run', 'update depositions set deleted_by = owner where id = $queued'],
  ['a draft again', 'update depositions set deleted_by = null where id = $gone'],
  ['edited once it is deleted', `update depositions set metadata = '{"value":9}' where id = $gone`],
  ['deleted at another time', "update depositions set deleted_at = '2020-01-01' where id = $gone"],
])('a deposition is not %s', async (_what, statement) => {
  for (const as of ['app', 'owner'] as const) {
    await expectRefused(a, as, ['42501', '23514', '23503'], named(statement));
  }
});

test('what is deleted keeps no file, and runs no more', async () => {
  await expectRefused(
    a,
    'app',
    ['23503'],
    `${draftFile('ada', 'a')}; ${named('update depositions set deleted_by = owner where id = $ada')}`,
  );
  await expectRefused(a, 'app', ['42501'], draftFile('gone', 'a'));
  await expectRefused(
    a,
    'app',
    ['23503'],
    named(`insert into batches (id, ingestion, convention, index, records, invalid)
      select gen_random_uuid(), id, convention, 1, 1, 0 from ingestions where deposition = $gone`),
  );
});

const ending = (of: string, by: string) =>
  named(`insert into deposition_ends (ingestion, deposition, reason, actor)
    select submission, id, 'x', ${actorOf(by)} from depositions where id = $${of}`);
const ended = () =>
  named(`update batches set status = 'failed', reason = 'x', finished_at = clock_timestamp(), errored = 1
  where ingestion = (select submission from depositions where id = $held)`);

test('an end is the end of the submission, of somebody else', async () => {
  // Nothing has ended.
  await expectRefused(a, 'app', ['23503'], ending('held', 'curator'));
  await expectRefused(a, 'app', ['23503'], `${ending('held', 'curator')}; ${ended()}`);
  // The owner withdraws. The statement itself is refused, and an administrator's is not.
  expect(await attackAtOnce(a.app, ending('held', 'ben'))).toBe('23503');
  expect(await attackAtOnce(a.app, ending('held', 'curator'))).toBe('done');
  for (const of of ['ada', 'gone']) await expectRefused(a, 'app', ['23503', '23502'], ending(of, 'curator'));
});

function named(statement: string): string {
  return statement.replaceAll(/\$(\w+)/g, (_, name) => `'${ids[name]}'`);
}
