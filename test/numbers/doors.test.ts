import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseExactJson } from '@osa/core/json/exact';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCliWorld } from '../support/fixtures/cli-world.ts';
import { hasPython, type NumberArchive, numberArchive, type StoredRow } from '../support/number-archive.ts';
import { copyHooks } from '../support/number-hooks.ts';

/** Each of these numbers goes through every door, and has the same value and the same spelling behind each. */

const table: readonly (readonly [written: string, spelled: string])[] = [
  ['0', '0'],
  ['-0', '0'],
  ['-0.0e5', '0'],
  ['1.0', '1'],
  ['1.10', '1.1'],
  ['1e2', '100'],
  ['1E+2', '100'],
  ['-1.50e-3', '-0.0015'],
  ['0.000001', '0.000001'],
  ['0.0000001', '1e-7'],
  ['1.98892e30', '1.98892e+30'],
  ['1988920000000000000000000000000', '1.98892e+30'],
  ['6.02214076e23', '6.02214076e+23'],
  ['1e20', '100000000000000000000'],
  ['1e21', '1e+21'],
  ['1e22', '1e+22'],
  ['9007199254740992', '9007199254740992'],
  ['9007199254740993', '9007199254740993'],
  ['-9007199254740993', '-9007199254740993'],
  ['9007199254740993.0', '9007199254740993'],
  ['1152921504606846976', '1152921504606846976'],
  ['1152921504606847000', '1152921504606847000'],
  ['9223372036854775807', '9223372036854775807'],
  ['-9223372036854775808', '-9223372036854775808'],
  ['18446744073709551615', '18446744073709551615'],
  ['123456789012345678901234567890', '123456789012345678901234567890'],
  ['1.2345678901234567890123e30', '1234567890123456789012300000000'],
  ['0.1', '0.1'],
  ['0.1000000000000000055', '0.1000000000000000055'],
  ['0.30000000000000004', '0.30000000000000004'],
  ['3.14159265358979323846', '3.14159265358979323846'],
  ['1e-400', 'refused'],
  ['1e308', '1e+308'],
  ['-1.7976931348623157e308', '-1.7976931348623157e+308'],
  ['1.79769313486231570000001e308', '1.79769313486231570000001e+308'],
  ['1e309', 'refused'],
  ['1e-308', '1e-308'],
  ['2.2250738585072014e-308', '2.2250738585072014e-308'],
  ['5e-324', '5e-324'],
  ['1.23e-322', '1.23e-322'],
  ['1.234567e-322', '1.234567e-322'],
  [`1${'0'.repeat(399)}`, 'refused'],
  [`0.${'3'.repeat(390)}`, `0.${'3'.repeat(390)}`],
  [`0.${'3'.repeat(400)}`, 'refused'],
];
const kept = table.filter(([, spelled]) => spelled !== 'refused');
const refused = table.filter(([, spelled]) => spelled === 'refused');
const list = `[${kept.map(([, spelled]) => spelled).join(',')}]`;

let archive: NumberArchive;
const rows = new Map<string, ReadonlyMap<string, StoredRow>>();
const hooks = hasPython ? (['in_javascript', 'in_python'] as const) : (['in_javascript'] as const);
const rowOf = (hook: string, id: string) => rows.get(hook)?.get(id);
let uploaded: Record<string, number>;
beforeAll(async () => {
  archive = await numberArchive(`{"list":[${kept.map(([written]) => written).join(',')}]}`, hooks);
  uploaded = await archive.ingest(table.map(([written], index) => [`n${index}`, [written]]));
  for (const hook of hooks) rows.set(hook, await archive.rows(hook));
}, 120_000);
afterAll(() => archive.close());

test('an upload takes what a double can be near to, and says of the others which rule they break', async () => {
  expect(uploaded).toMatchObject({ published: kept.length, invalid: refused.length });
  const reasons = await archive.reasons();
  expect(reasons).toHaveLength(refused.length);
  for (const reason of reasons) {
    expect(reason).toMatch(/is beyond the range of a double|a number of 40\d characters, more than 400/);
  }
});

describe.each(kept)('%s', (written, spelled) => {
  const id = `n${table.findIndex(([text]) => text === written)}`;

  test(`is ${spelled} in the batch, in records.jsonl and in the hooks' rows`, async () => {
    expect(await archive.batchText(id)).toBe(`{"list":[${spelled}]}`);
    for (const hook of hooks) {
      const row = rowOf(hook, id);
      expect(row?.seen).toBe(`{"id":"${id}","metadata":{"list":[${spelled}]},"size_hint_mb":0}`);
      expect(row?.text).toContain(`"exact":[${spelled}]`);
    }
  });

  test('comes back as its double where a hook reads it as one', () => {
    const double = JSON.stringify(Number(written));
    expect(rowOf('in_javascript', id)?.text).toContain(`"naive":{"list":[${double}]},"double":${double}`);
    const inPython = /^-?\d+$/.test(spelled) ? spelled : double;
    if (hasPython) expect(rowOf('in_python', id)?.text).toContain(`"naive":{"list":[${inPython}]}`);
  });

  test('fills an integer column with all its digits', () => {
    const isInteger = /^-?\d+$/.test(spelled) && BigInt.asIntN(64, BigInt(spelled)) === BigInt(spelled);
    expect(rowOf('in_javascript', id)?.text).toContain(`"integer":${isInteger ? spelled : 'null'}`);
  });

  test('is the same in the trace of its record and of its row', async () => {
    const row = rowOf('in_javascript', id);
    const ofRecord = await archive.text(`/api/v1/trace/records/${encodeURIComponent(row?.srn ?? '')}`);
    expect(ofRecord).toContain(`"metadata":{"list":[${spelled}]}`);
    expect(ofRecord).toContain(`"exact":[${spelled}]`);
    const ofRow = await archive.text(`/api/v1/trace/rows/in_javascript/${row?.id}`);
    expect(ofRow).toContain(`"metadata":{"list":[${spelled}]}`);
    expect(ofRow).toContain(`"exact":[${spelled}]`);
    expect(ofRow).toContain(`"config":{"list":${list}}`);
  });
});

test('a config reaches the hook with these digits, and the same values in another spelling are the same config', async () => {
  for (const found of [...rows.values()].flatMap((ofHook) => [...ofHook.values()])) {
    expect(found.config).toBe(`{"list":${list}}`);
  }
  expect(await archive.text('/api/v1/hooks/in_javascript/releases/1')).toContain(`"config":{"list":${list}}`);
  expect(await archive.deploy(`{ "list": ${list.replaceAll('e+', 'E')} }`)).toMatchObject({ changed: false });
  const other = list.replace('9007199254740993', '9007199254740994');
  const { changed, deploy_id } = await archive.deploy(`{"list":${other}}`);
  expect(changed).toBe(true);
  expect(await archive.text(`/api/v1/deploys/${deploy_id}`)).toContain(`"config":{"list":${other}}`);
});

test('a release takes a config with these digits, and knows it again in another spelling', async () => {
  const release = (config: string) =>
    archive.send('/api/v1/hooks/in_javascript/releases', `{"config":${config},"source_ref":"git:1"}`);
  const first = await release('{"id":9007199254740995,"list":[1.10]}');
  expect([first.status, first.problem]).toEqual([201, undefined]);
  const { version } = JSON.parse(first.text);
  const found = await archive.text(`/api/v1/hooks/in_javascript/releases/${version}`);
  expect(found).toMatch(/"config":\{("id":9007199254740995|"list":\[1\.1\]|,){3}\}/);
  const second = await release('{"list":[1.1],"id":9007199254740995.0}');
  expect([second.status, JSON.parse(second.text)]).toMatchObject([200, { version, created: false }]);
});

test('numbers of a contract are doubles: what they would change is refused', async () => {
  for (const number of ['9007199254740993', '0.1000000000000000055', '1e400']) {
    const constraints = `{"type":"number","min_value":${number}}`;
    const { status, problem } = await archive.send('/api/v1/conventions/plan', `{"fields":[${constraints}]}`);
    expect([status, problem?.code]).toEqual([400, 'malformed']);
    expect(problem?.detail).toContain(number);
  }
});

test('what the data route prints is unchanged when it is sent in again, as is what was sent first', async () => {
  const printed = await archive.records();
  expect(printed.size).toBe(kept.length);
  const again = [...printed].map(([id, text]) => [id, [text.replace(/^\[|\]$/g, '')]] as const);
  expect(await archive.ingest(again)).toMatchObject({ unchanged: kept.length, published: 0, invalid: 0 });
  const first = table.map(([written], index) => [`n${index}`, [written]] as const);
  expect(await archive.ingest(first)).toMatchObject({ unchanged: kept.length, published: 0 });
});

test('`osa hooks test` gives a hook the same lines, and reads the same config from YAML', async () => {
  await using world = await createCliWorld();
  const { code, file, columns } = copyHooks.in_javascript;
  await writeFile(join(world.cwd, file), code);
  const config = `{ list: [${kept.map(([written]) => written).join(', ')}] }`;
  await writeFile(join(world.cwd, 'convention.yaml'), conventionWith({ columns, config }));
  const lines = kept.map(([written]) => {
    const id = `n${table.findIndex(([text]) => text === written)}`;
    return `{"source_id":"${id}","metadata":{"list":[${written}]}}\n`;
  });
  await writeFile(join(world.cwd, 'records.ndjson'), lines.join(''));
  const { stdout } = await world.osa(
    ['hooks', 'test', 'in_javascript', '--records', 'records.ndjson', '--limit', '1000', '--json'],
    { environment: { PATH: process.env.PATH } },
  );
  const tried = parseExactJson(stdout) as { rows: { id: string; values: Record<string, unknown> }[] };
  expect(tried.rows).toHaveLength(kept.length);
  for (const { id, values } of tried.rows) {
    const row = rowOf('in_javascript', id);
    expect([values.seen, values.config]).toEqual([row?.seen, row?.config]);
    const { seen: _seen, config: _config, ...copied } = values;
    for (const [name, value] of Object.entries(copied)) {
      expect(row?.text).toContain(`"${name}":${JSON.stringify(value)}`);
    }
  }
});

function conventionWith({ columns, config }: { columns: readonly object[]; config: string }): string {
  return `slug: tests
title: Tests
description: Numbers
schema:
  id: number-record
  version: 1.0.0
  fields: [{ name: list, type: number, required: true, cardinality: one_or_more }]
hooks:
  - name: in_javascript
    feature: { cardinality: one, columns: ${JSON.stringify(columns)} }
    config: ${config}
    release: { directory: ., command: [node, hook.mjs] }
`;
}

test('a number next to it is another content', async () => {
  const next = [['n17', ['9007199254740992']] as const];
  expect(table[17]?.[0]).toBe('9007199254740993');
  expect(await archive.ingest(next)).toMatchObject({ unchanged: 0, published: 1 });
  expect((await archive.records()).get('n17')).toBe('[9007199254740992]');
  expect(JSON.stringify(parseExactJson(list))).toBe(list);
});
