import { beforeEach, describe, expect, test } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import { longestBusy } from '../support/busy.ts';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';

/**
 * A hook whose lines are broken beside one that is fine, over one batch: what is broken has a reason and no rows, nobody
 * else loses anything, and whoever runs the batch answers others all the time.
 */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const columns = [
  { name: 'value', json_type: 'number', required: false },
  { name: 'list', json_type: 'array', required: false },
];
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const naming = (features: string) => (id: string) => `{"id":"${id}","features":${features}}`;
/** A line that says nothing about any record. */
const nameless = (line: string) => () => line;

interface Broken {
  /** The records, a line each; without them they have names of their own. */
  readonly called?: readonly string[];
  readonly lines: readonly ((id: string) => string)[];
  /** A part of the reason of each record, whose line it is. */
  readonly reasons: readonly string[];
  /** A part of the reason of the run; null when every line names its record. */
  readonly run: string | null;
}

const broken: readonly (readonly [string, Broken])[] = [
  [
    'rows-06: lines that are no objects',
    {
      lines: ['1', '[]', '"x"', 'null', 'true'].map(nameless),
      reasons: Array(5).fill('did not answer for this record: features.jsonl line 1: '),
      run: '(the first of 5 lines about no record of the batch)',
    },
  ],
  [
    'rows-07: ids that are no strings',
    {
      lines: ['{"a":1}', '1', '[]'].map((id) => nameless(`{"id":${id},"features":[{"value":1}]}`)),
      // The ids if they were made texts.
      called: ['{"a":1}', '1', '[]'],
      reasons: Array(3).fill('the id {"a":1} is not a string'),
      run: '(the first of 3 lines about no record of the batch)',
    },
  ],
  [
    'rows-08: features that are no list of objects',
    {
      lines: ['"x"', '1', '{"a":1}', '[1]'].map(naming),
      reasons: ['features is "x"', 'features is 1', 'features is {"a":1}', '1 is not an object'],
      run: null,
    },
  ],
  [
    'rows-18: 100,000 levels',
    {
      lines: [`[{"list":${nested(100_000)}}]`, nested(100_000), '[{"list":[{"a":'.repeat(33_000)].map(naming),
      reasons: Array(3).fill('deeper than 64 levels'),
      run: null,
    },
  ],
];

describe.each(broken)('%s', (_, { lines, called, reasons, run }) => {
  const ids = called ?? lines.map((_line, index) => `bad ${index}`);

  test('cost their records and nothing else', async () => {
    const all = [...ids, 'good'];
    const good = '{"id":"good","features":[{"value":1,"list":[1]}]}';
    const { busy, failed, shown } = await ran(all, [...written(), good]);
    expect(busy).toBeLessThan(100);
    expect(shown).toMatchObject({
      status: 'completed',
      published: 1,
      errored: ids.length,
      rows: 1 + all.length,
    });
    expect(failed.map(({ source_id }) => source_id)).toEqual(ids);
    for (const [index, { outcomes }] of failed.entries()) {
      expect(outcomes).toMatchObject([
        { hook: 'broken', status: 'errored', reason: expect.stringContaining(reasons[index] ?? '?') },
        { hook: 'steady', status: 'passed' },
      ]);
    }
    expect(await stored()).toMatchObject({ broken: 1, steady: all.length });
    expect(await runs()).toMatchObject([
      { hook: 'broken', status: 'passed', reason: run && expect.stringContaining(run) },
      { hook: 'steady', status: 'passed', reason: null },
    ]);
    const page = { limit: 100, history: false, release: undefined };
    const { rows } = await readRows(bench.store, 'bench-record', 'broken', page);
    expect(rows).toMatchObject([{ value: 1, list: [1] }]);
  });

  test('alone are no rows, and a run that has failed when they answer for nobody', async () => {
    const { busy, failed, shown } = await ran(ids, written());
    expect(busy).toBeLessThan(100);
    expect(shown).toMatchObject({ status: 'completed', published: 0, errored: ids.length, rows: ids.length });
    expect(failed).toHaveLength(ids.length);
    expect(await stored()).toMatchObject({ broken: 0, steady: ids.length });
    const end = run === null ? { status: 'passed', reason: null } : { status: 'failed' };
    const reason =
      run && expect.stringMatching(/^the hook did not answer for any record: features\.jsonl line 1/);
    expect(await runs()).toMatchObject([
      { hook: 'broken', ...end, reason },
      { hook: 'steady', status: 'passed', reason: null },
    ]);
  });

  const written = () => lines.map((line, index) => line(ids[index] ?? ''));
});

/** Runs both hooks over one batch; `busy` is the longest time, in milliseconds, that the event loop was not free. */
async function ran(ids: readonly string[], lines: readonly string[]) {
  const text = JSON.stringify(lines.map((line) => `${line}\n`).join(''));
  const code = `import { writeFileSync } from 'node:fs';
writeFileSync(process.env.OSA_OUT + '/features.jsonl', ${text});`;
  const steady = { code: hookCode('return { features: [{ value: metadata.value }] }') };
  await bench.deploy({ broken: { code, columns }, steady });
  const { id } = await bench.ingest(ids.map((source, value) => record(source, value)));
  const busy = await longestBusy(() => bench.drain());
  const shown = await bench.store.ingestions.show(id);
  const failed = await bench.store.ingestions.records(id, { limit: 100, status: 'failed' });
  return { busy, shown, failed: failed?.items ?? [] };
}

const runs = () => bench.database.sql`select hook, status, reason from runs order by hook`;

async function stored() {
  const [counts] = await bench.database.sql`
    select (select count(*)::int from features.broken) as broken, (select count(*)::int from features.steady) as steady`;
  return counts;
}
