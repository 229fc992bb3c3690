import { listIngestionFailures } from '@osa/core/ingestion/read';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { admin } from '../support/database/database.ts';
import { refusal } from '../support/database/registry-support.ts';

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

test('reasons that differ in values only count as one, the most frequent first, each with the run that gave it', async () => {
  await bench.deploy({
    picky: {
      code: hookCode(`console.error('seen ' + id);
        if (metadata.value < 10) return { reason: 'value ' + metadata.value + ' is below "10"' };
        if (metadata.value > 95) return { error: 'cannot' };
        return { features: [{ value: 1 }] };`),
    },
  });
  const numbers = Array.from({ length: 20 }, (_, index) => record(`n${index}`, index * 5 + 1));
  const strange = [1, 2, 3, 4].map((index) => ({
    source_id: `s${index}`,
    metadata: { value: `text ${index}` },
  }));
  const { id } = await bench.ingest([...strange, ...numbers]);
  await bench.drain();
  const answer = await listIngestionFailures(bench.store, admin, { id, limit: 3 });
  expect(answer).toMatchObject({ looked_at: 7, complete: true });
  expect(answer.items).toEqual([
    {
      ...{
        status: 'invalid',
        hook: null,
        version: null,
        records: 4,
        same: false,
        run: null,
        has_logs: false,
      },
      ...{ source_id: 's1', line: 1, reason: expect.stringContaining('"text 1"') },
    },
    {
      ...{ status: 'rejected', hook: 'picky', version: 1, records: 2, same: false, has_logs: true },
      ...{ source_id: 'n0', line: 5, reason: 'value 1 is below "10"', run: expect.any(String) },
    },
    expect.objectContaining({ status: 'errored', records: 1, same: true, reason: 'cannot' }),
  ]);
  const few = await listIngestionFailures(bench.store, admin, { id, limit: 1 });
  expect(few.items).toEqual(answer.items.slice(0, 1));
});

test('an ingestion without failures has none, and an unknown one is not found', async () => {
  await bench.deploy({});
  const { id } = await bench.ingest([record('a', 1)]);
  await bench.drain();
  const none = { items: [], looked_at: 0, complete: true };
  expect(await listIngestionFailures(bench.store, admin, { id, limit: 3 })).toEqual(none);
  const unknown = { id: '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80', limit: 3 };
  expect(await refusal(listIngestionFailures(bench.store, admin, unknown))).toMatchObject({
    code: 'not_found',
  });
});
