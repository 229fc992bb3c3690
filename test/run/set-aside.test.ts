import { executeNext } from '@osa/core/run/execute';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const hook = hookCode('return { features: [{ value: metadata.value }] };');
const records = (first: number) =>
  Array.from({ length: 3 }, (_, index) => record(`s-${first + index}`, index));

test('a batch whose claim fails goes behind the others, with its reason, and names itself', async () => {
  await bench.deploy({ doubled: { code: hook } });
  const broken = await bench.ingest(records(0));
  const owner = bench.open('owner', { max: 1 });
  await owner.sql.unsafe(`
    create function break_claim() returns trigger language plpgsql as $$
    begin
      if new.batch in (select id from batches where ingestion = '${broken.id}') then
        raise exception 'this claim cannot be done';
      end if;
      return new;
    end $$;
    create trigger break_claim before insert on runs for each row execute function break_claim()`);
  const good = await bench.ingest(records(1_000));
  const told: unknown[] = [];
  const execution = {
    ...bench.execution,
    log: (event: string, details: object) => told.push({ event, ...details }),
  };
  expect(await executeNext(execution, new AbortController().signal)).toBe(true);
  expect(told).toContainEqual(
    expect.objectContaining({
      event: 'batch.claim_failed',
      convention: 'bench',
      ingestion: broken.id,
      failures: 1,
    }),
  );
  const rows = await bench.database.sql`
    select ingestion = ${good.id} as good, status, claim_failures, reason like '%while the batch was claimed%' as told,
           available_at > created_at + interval '1 second' as later
    from batches order by good`;
  expect(rows).toMatchObject([
    { good: false, status: 'queued', claim_failures: 1, told: true, later: true },
    { good: true, status: 'done', claim_failures: 0 },
  ]);
  await owner.sql.unsafe('drop trigger break_claim on runs');
});
