import { executeNext } from '@osa/core/run/execute';
import { division, endOfDivision, mostTries } from '@osa/core/run/policy';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Hooks that die, with a batch of records that did nothing to them. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const page = { limit: 1_000, history: false, release: undefined };

/** A shell script, which starts soon. It answers with the record's value, after `each` has looked at it as `$value`. */
function shell(each: string, before = ':') {
  const code = `${before}
while IFS= read -r line; do
  id=\${line#*'"id":"'}; id=\${id%%'"'*}; value=\${line#*'"value":'}; value=\${value# }; value=\${value%%[!0-9-]*}
  ${each}
  printf '{"id":"%s","features":[{"value":%s}]}\\n' "$id" "$value"
done < "$OSA_IN/records.jsonl" > "$OSA_OUT/features.jsonl"
`;
  return { code, command: ['sh', 'hook.mjs'] };
}

async function ran(hook: ReturnType<typeof shell> & { limits?: object }, count: number) {
  await bench.deploy({ doubled: hook });
  const { id } = await bench.ingest(Array.from({ length: count }, (_, value) => record(`r${value}`, value)));
  await bench.drain();
  const failed = await bench.store.ingestions.records(id, { limit: 1_000, status: 'failed' });
  const [run] = await bench.database.sql`select status, reason, row_count::int from runs`;
  const attempts = await bench.database.sql<{ n: number; fence: string; finished_at: string | null }[]>`
    select n, fence, ending, exit_code, exit_signal, finished_at from attempts order by n`;
  const shown = await bench.store.ingestions.show(id);
  return { id, shown, failed: failed?.items ?? [], run, attempts };
}

const outcomes = () => bench.database.sql<{ source_id: string; attempt: number; exit_code: number | null }[]>`
  select r.source_id, o.attempt, a.exit_code from outcomes o
  join batch_records r on r.id = o.batch_record join attempts a on a.run = o.run and a.n = o.attempt`;

describe('a record that ends the hook', () => {
  test.each([
    ['with an exit code', 'exit 3', 'the hook exited with code 3'],
    ['by a signal', 'kill -SEGV $$', 'the hook was ended by SIGSEGV'],
  ])('%s is errored with that end, and the others pass', async (_, end, reason) => {
    const { failed, run, attempts, shown } = await ran(shell(`[ "$value" = 57 ] && ${end}`), 120);
    expect(failed).toMatchObject([{ source_id: 'r57', status: 'errored' }]);
    expect(failed[0]?.reason).toBe(`doubled: ${reason}, given one record alone`);
    expect(shown).toMatchObject({ status: 'completed', published: 119, errored: 1, rows: 119 });
    expect(run).toMatchObject({
      status: 'passed',
      row_count: 119,
      reason: expect.stringContaining('1 of 120'),
    });
    expect(attempts.length).toBeLessThanOrEqual(15);
    expect(attempts.map(({ n }) => n)).toEqual(attempts.map((_attempt, index) => index + 1));
    expect(new Set(attempts.map(({ fence }) => fence)).size).toBe(1);
    expect(attempts.every(({ finished_at }) => finished_at !== null)).toBe(true);
    const { rows } = await readRows(bench.store, 'bench-record', 'doubled', page);
    const values = rows.map(({ value }) => Number(value)).sort((left, right) => left - right);
    expect(values).toEqual(
      Array.from({ length: 120 }, (_value, index) => index).filter((value) => value !== 57),
    );
    for (const { source_id, exit_code } of await outcomes()) {
      if (source_id !== 'r57') expect(exit_code).toBe(0);
      else expect(exit_code).not.toBe(0);
    }
  });

  test('is found beside another, wherever they are', async () => {
    const { failed, shown } = await ran(shell('case $value in 0|119) exit 3 ;; esac'), 120);
    expect(failed.map(({ source_id }) => source_id)).toEqual(['r0', 'r119']);
    expect(shown).toMatchObject({ published: 118, errored: 2 });
  });

  test('among 1,000 takes 25 starts at most', async () => {
    const { failed, attempts } = await ran(shell('[ "$value" = 999 ] && exit 3'), 1_000);
    expect(failed.map(({ source_id }) => source_id)).toEqual(['r999']);
    expect(attempts.length).toBeLessThanOrEqual(25);
  });

  test('is not blamed for records that share its time: answers of a code that failed do not count', async () => {
    const exitsLate = shell('[ "$value" = 1 ] && late=1');
    const { failed, shown } = await ran(
      { ...exitsLate, code: `${exitsLate.code}[ -z "$late" ] || exit 3\n` },
      4,
    );
    expect(failed.map(({ source_id }) => source_id)).toEqual(['r1']);
    expect(shown).toMatchObject({ published: 3, errored: 1, rows: 3 });
  });
});

describe('a record that holds the hook up', () => {
  const limits = { timeout_seconds: 2 };

  test('is errored after the fifth timeout of the batch, and the others pass', async () => {
    await bench.deploy({ doubled: { ...shell('[ "$value" = 1 ] && exec sleep 60'), limits } });
    const { id } = await bench.ingest(Array.from({ length: 4 }, (_, value) => record(`r${value}`, value)));
    for (let claim = 1; claim <= (mostTries.timeout ?? 0); claim += 1) {
      expect(await bench.store.ingestions.show(id)).toMatchObject({ status: 'running', pending: 4 });
      await bench.database.sql`update batches set available_at = clock_timestamp() where status = 'queued'`;
      await executeNext(bench.execution, new AbortController().signal);
    }
    const failed = await bench.store.ingestions.records(id, { limit: 10, status: 'failed' });
    const reason = 'doubled: the hook did not end within 2 s, given one record alone';
    expect(failed?.items).toMatchObject([{ source_id: 'r1', status: 'errored', reason }]);
    expect(await bench.store.ingestions.show(id)).toMatchObject({
      ...{ status: 'completed', published: 3, errored: 1, rows: 3 },
    });
    const claims = await bench.database.sql<{ endings: string }[]>`
      select string_agg(ending, ' ' order by n) as endings from attempts group by fence order by min(n)`;
    // The second half, which ends well, comes before the quarters of the first.
    expect(claims.map(({ endings }) => endings)).toEqual([
      ...Array.from({ length: 4 }, () => 'timeout'),
      'timeout timeout exited exited timeout',
    ]);
  });
});

describe('the search is bounded', () => {
  test('a hook that always dies errors every record after a few starts', async () => {
    const { failed, run, attempts, shown } = await ran(shell(':', 'exit 3'), 120);
    expect(shown).toMatchObject({ status: 'completed', published: 0, errored: 120 });
    expect(failed[119]?.reason).toMatch(
      /exited with code 3; gave up after \d+ starts, none of which ended well/,
    );
    expect(run).toMatchObject({ status: 'failed', reason: expect.stringContaining('exited with code 3') });
    expect(attempts).toHaveLength(8 + division.spareStarts);
  });

  test('a hook that dies with every second record ends after its starts, and keeps what passed', async () => {
    const { attempts, shown } = await ran(shell('[ $((value % 2)) = 1 ] && exit 3'), 120);
    expect(attempts).toHaveLength(division.mostStarts);
    expect(shown?.published).toBeGreaterThan(5);
    expect((shown?.published ?? 0) + (shown?.errored ?? 0)).toBe(120);
  });

  test('a part that takes too long gives the batch back, and starts no further part', async () => {
    const slow = shell(
      '[ "$value" = 0 ] && [ $(wc -l < $OSA_IN/records.jsonl) = 1 ] && sleep 60; [ "$value" = 0 ] && exit 3',
    );
    await bench.deploy({ doubled: { ...slow, limits: { timeout_seconds: 1 } } });
    const { id } = await bench.ingest([record('a', 0), record('b', 1), record('c', 2), record('d', 3)]);
    await executeNext(bench.execution, new AbortController().signal);
    expect(await bench.store.ingestions.show(id)).toMatchObject({
      status: 'running',
      batches: { queued: 1 },
    });
    const attempts = await bench.database.sql`select ending from attempts order by n`;
    expect(attempts.map(({ ending }) => ending)).toEqual(['exited', 'exited', 'timeout']);
    expect(await bench.database.sql`select from outcomes`).toHaveLength(0);
  });

  test('by time, too', () => {
    const search = { records: 1_000, starts: 5, hasAnswers: true, timeLimitMs: 600_000 };
    expect(endOfDivision({ ...search, elapsedMs: 2_400_000 })).toBeUndefined();
    expect(endOfDivision({ ...search, elapsedMs: 2_400_001 })).toContain('2400 s');
    expect(endOfDivision({ ...search, timeLimitMs: 1_000, elapsedMs: 300_000 })).toBeUndefined();
    expect(endOfDivision({ ...search, timeLimitMs: 1_000, elapsedMs: 300_001 })).toContain('300 s');
  });
});
