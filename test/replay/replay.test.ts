import { join } from 'node:path';
import { activate } from '@osa/core/hook/live';
import { listRowCertificates } from '@osa/core/recompute/replay/replay';
import { beforeEach, expect, test } from 'vitest';
import { type CoreArchive, coreArchive, hookCode, record } from '../support/core-archive.ts';
import { scratch } from '../support/database/database.ts';
import { replayed, untouched, writer } from './replay-support.ts';

/** A row is computed once more by the release of its own run, and compared bit for bit; nothing is stored but a certificate. */

let bench: CoreArchive;
beforeEach(async () => {
  bench = await coreArchive();
  return () => bench.dispose();
});

const ten = Array.from({ length: 10 }, (_, n) => record(`s${n}`, n + 1));

async function ingested(source: Parameters<CoreArchive['deploy']>[0][string]): Promise<string[]> {
  await bench.deploy({ probe: source });
  await bench.ingest(ten);
  await bench.drain();
  const rows = await bench.database.sql<{ id: string }[]>`select id from features.probe order by id`;
  return rows.map(({ id }) => `probe/${id}`);
}

async function runOf(row: string): Promise<string> {
  const [found] = await bench.database.sql<{ run: string }[]>`
    select run_id as run from features.probe where id = ${row.slice('probe/'.length)}`;
  return found?.run ?? '';
}

const same = hookCode('return { features: [{ value: metadata.value / 3 }] }');
/** Another value each time, as a hook that uses the clock. */
const clock = hookCode(
  'return { features: [{ value: metadata.value, at: Number(process.hrtime.bigint()) }] }',
);
const clocked = [
  { name: 'value', json_type: 'number', required: true },
  { name: 'at', json_type: 'number', required: true },
];

test('rows of a hook that gives the same values are identical, under the release of their own run', async () => {
  const rows = await ingested({ code: same });
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: 0 }] }') } });
  const before = await untouched(bench);
  const { replay, certificates } = await replayed(bench, { rows: rows.slice(0, 3) });
  expect(replay).toMatchObject({
    ...{ kind: 'rows', status: 'done', results: 3, identical: 3, differs: 0, cannot: 0, output: null },
    releases: [{ hook_name: 'probe', version: 1, results: 3, identical: 3 }],
  });
  const digest = expect.stringMatching(/^[0-9a-f]{64}$/);
  expect(certificates).toHaveLength(3);
  for (const [index, certificate] of certificates.entries()) {
    expect(certificate).toMatchObject({
      ...{ verdict: 'identical', rows: [rows[index]], version: 1, engine: 'process', reason: null },
      ...{
        architecture: expect.stringMatching(/^(amd64|arm64)$/),
        stored_digest: digest,
        columns: [],
        examples: [],
      },
      ...{ record_srn: expect.stringMatching(/^urn:osa:/), by: { subject: expect.any(String) } },
    });
    expect(certificate.made_digest).toBe(certificate.stored_digest);
  }
  expect(await untouched(bench)).toEqual(before);
});

test('each certificate of a row that is replayed twice names each row of its result once', async () => {
  const pair = hookCode('return { features: [{ value: metadata.value }, { value: -metadata.value }] }');
  const rows = await ingested({ code: pair, cardinality: 'many' });
  for (let times = 0; times < 2; times += 1) await replayed(bench, { rows: rows.slice(0, 1) });
  const [hook = '', id = ''] = (rows[0] ?? '').split('/');
  const row = { hook, id: Number(id) };
  const { items } = await listRowCertificates(bench.store, row, { limit: 10, cursor: undefined });
  expect(items.map((certificate) => certificate.rows)).toEqual([rows.slice(0, 2), rows.slice(0, 2)]);
});

test('a hook that uses the clock differs, and the column is named with both values', async () => {
  const rows = await ingested({ code: clock, columns: clocked });
  const before = await untouched(bench);
  const { replay, certificates } = await replayed(bench, { rows: rows.slice(0, 2) });
  expect(replay).toMatchObject({ status: 'done', identical: 0, differs: 2 });
  expect(certificates[0]).toMatchObject({
    ...{ verdict: 'differs', columns: ['at'], reason: null },
    examples: [
      { row: rows[0], ordinal: 0, column: 'at', stored: expect.any(String), made: expect.any(String) },
    ],
  });
  expect(await untouched(bench)).toEqual(before);
});

test('a whole run is replayed with all of its records, and its output is compared too', async () => {
  const rows = await ingested({ code: same });
  const run = await runOf(rows[0] ?? '');
  const { replay, certificates } = await replayed(bench, { run });
  expect(replay).toMatchObject({ kind: 'run', run_id: run, results: 10, identical: 10, output: 'identical' });
  expect(certificates).toHaveLength(11);
  const [stored] = await bench.database.sql<{ digest: string }[]>`
    select output_digest as digest from runs where id = ${run}`;
  expect(certificates.find(({ record_srn }) => record_srn === null)).toMatchObject({
    ...{ verdict: 'identical', rows: [], stored_digest: stored?.digest, made_digest: stored?.digest },
  });
});

test('minus zero is not zero, and an integer that no double keeps is compared to its last digit', async () => {
  const columns = [
    { name: 'value', json_type: 'number', required: true },
    { name: 'big', json_type: 'integer', required: true },
  ];
  // The code finds out by a file whether it has run before, as code that depends on its machine would.
  const place = await scratch();
  const [first] = await ingested({
    columns,
    code: `import { existsSync as isThere, writeFileSync as write } from 'node:fs';
const mark = ${JSON.stringify(join(place.path, 'mark'))};
const again = isThere(mark);
write(mark, '');
${hookCode(`const big = JSON.rawJSON(again ? '9007199254740995' : '9007199254740993');
  return { features: [{ value: JSON.rawJSON(again ? '-0' : '0'), big }] }`)}`,
  });
  const { certificates } = await replayed(bench, { rows: [first ?? ''] });
  expect(certificates[0]).toMatchObject({
    ...{ verdict: 'differs', columns: ['value', 'big'] },
    examples: [
      { column: 'value', stored: '0', made: '-0' },
      { column: 'big', stored: '9007199254740993', made: '9007199254740995' },
    ],
  });
  await place.dispose();
});

test('a sample is drawn by its seed, of one release or of all, and each result once', async () => {
  await ingested({ code: same });
  const drawn = async (seed: string, given: object = {}) => {
    const { replay, certificates } = await replayed(bench, { sample: 4, seed, ...given });
    expect(replay).toMatchObject({ kind: 'sample', seed, results: 4, identical: 4 });
    return certificates.flatMap(({ rows }) => rows);
  };
  const first = await drawn('a');
  expect(new Set(first).size).toBe(4);
  expect(await drawn('a', { hook: 'probe', version: 1 })).toEqual(first);
  expect([await drawn('b'), await drawn('c'), await drawn('d')]).not.toEqual([first, first, first]);
  await bench.deploy({ probe: { code: hookCode('return { features: [{ value: 0 }] }') } });
  await activate(bench.store, writer, 'probe', { version: 1 });
  expect((await replayed(bench, { sample: 1_000 })).replay).toMatchObject({ results: 10, identical: 10 });
});
