import { bounds } from '@osa/core/limits';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  declaration,
  deployRequest,
  everything,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** Numbers with large exponents take no more room on the way than as they were written. */

const many = 170_000;
const most = bounds.lineBytes + 64 * 1024;

const schema = {
  id: 'huge-record',
  version: '1.0.0',
  fields: [{ name: 'list', type: 'number', required: true, cardinality: 'zero_or_more' }],
};
const code = `import { readFileSync, writeFileSync } from 'node:fs';
const { id } = JSON.parse(readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8'));
const list = '[' + Array(${many}).fill('1e308').join(',') + ']';
writeFileSync(process.env.OSA_OUT + '/features.jsonl', '{"id":"' + id + '","features":[{"list":' + list + '}]}\\n');
`;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  const columns = [{ name: 'list', json_type: 'array', required: true }];
  const hook = {
    ...declaration('huge', await uploaded(daemon, code)),
    feature: { cardinality: 'one', columns },
  };
  await daemon.call('deploy', { json: { ...deployRequest([hook]), schema } });
  const body = `{"source_id":"a","metadata":{"list":[${Array(many).fill('1e308').join(',')}]}}\n`;
  const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body });
  await until('the ingestion', async () => {
    const { status, published } = await daemon.call('showIngestion', { params: { id } });
    return status === 'completed' && published === 1;
  });
}, 120_000);
afterAll(() => daemon.close());

test('a record and a row of 170,000 huge numbers are stored and served as long as they are', async () => {
  const headers = { authorization: await daemon.bearer(everything) };
  const database = daemon.database.open(daemon.database.ownerUrl);
  const [{ srn = '' } = {}] = await database.sql<{ srn: string }[]>`select srn from published`;
  const [sizes] = await database.sql<{ record: number; row: number; json: number }[]>`
    select octet_length(r.metadata::text) as record, octet_length(f.list::text) as row,
           octet_length(row_to_json(f)::text) as json
    from published r, features.huge f`;
  await database.close();
  for (const size of Object.values(sizes ?? { none: most })) expect(size).toBeLessThan(most + many);
  for (const path of [
    ...['data/huge-record/records', 'data/huge-record/huge'],
    `trace/records/${encodeURIComponent(srn)}`,
    'trace/rows/huge/1',
  ]) {
    const { status, text } = await daemon.send('GET', `/api/v1/${path}`, { headers });
    const lists = path.startsWith('trace') ? 2 : 1;
    expect([path, status, text.split('1e+308').length - 1]).toEqual([path, 200, lists * many]);
    expect(text.length).toBeLessThan(lists * (most + many));
  }
});

test('a config that is kept with its exponents written out is refused beyond the limit of a body', async () => {
  const bodyOf = (count: number) => {
    const hook = {
      ...declaration('huge', `sha256:${'0'.repeat(64)}`),
      config: { list: Array(count).fill(1e308) },
    };
    return JSON.stringify({ ...deployRequest([hook]), schema });
  };
  const headers = { authorization: await daemon.bearer(everything), 'content-type': 'application/json' };
  const send = (count: number) =>
    daemon.send('POST', '/api/v1/conventions/plan', { headers, body: bodyOf(count) });
  expect((await send(1_000)).problem?.code).not.toBe('too_large');
  const { status, problem } = await send(20_000);
  expect([status, problem?.code, problem?.details?.limit]).toEqual([413, 'too_large', bounds.requestBytes]);
  expect(problem?.message).toContain('exponents');
});
