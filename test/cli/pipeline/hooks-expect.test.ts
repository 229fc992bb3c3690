import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hookCode } from '../../support/core-archive.ts';
import { createCliWorld } from '../../support/fixtures/cli-world.ts';
import { writeProject, writeRecords } from '../../support/project.ts';

/** `osa hooks test --expect`: a test of a hook's values. */

const code = hookCode(
  "return id === 'b' ? { reason: 'not for us' } : { features: [{ value: metadata.value * 2 }] }",
);
const rows = [
  '{"id": "a", "values": {"value": 2}}',
  '{"id": "b", "status": "rejected"}',
  '{"id": "c", "values": {"value": 6.0}}',
];

async function tried(lines: readonly string[], ...more: string[]) {
  await using world = await createCliWorld();
  await writeProject(world.cwd, { code });
  await writeRecords(join(world.cwd, 'records.ndjson'), [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  await writeFile(join(world.cwd, 'rows.ndjson'), `${lines.join('\n')}\n`);
  const argv = [
    'hooks',
    'test',
    'doubled',
    '--records',
    'records.ndjson',
    '--expect',
    'rows.ndjson',
    ...more,
  ];
  return await world.osa(argv, { environment: { PATH: process.env.PATH } });
}

test('the values that were expected pass, however they are spelled and whatever is shown', async () => {
  const { code: exit, stdout } = await tried(rows, '--limit', '0');
  expect([exit, stdout]).toEqual([0, expect.stringContaining('all values are as expected')]);
});

test.each([
  ['another value', [...rows.slice(0, 2), '{"id": "c", "values": {"value": 7}}'], 'c'],
  ['a row too few', rows.slice(0, 2), 'c'],
  ['a row too many', [...rows, '{"id": "c", "values": {"value": 6}}'], 'c'],
  [
    'a record that passes instead of being rejected',
    [...rows.slice(1), '{"id": "a", "status": "rejected"}'],
    'a',
  ],
  ['a record that is not there', [...rows, '{"id": "d", "values": {"value": 8}}'], 'd'],
])('%s fails, and is named', async (_, lines, id) => {
  const { code: exit, stdout } = await tried(lines, '--json');
  expect(exit).toBe(1);
  expect(JSON.parse(stdout).deviations).toMatchObject([{ id }]);
});

test.each([
  ['no JSON', ['{']],
  ['no id', ['{"values": {}}']],
  ['neither', ['{"id": "a"}']],
])('a line with %s is refused with its place', async (_, lines) => {
  const { code: exit, stderr } = await tried([...rows, ...lines]);
  expect([exit, stderr]).toEqual([2, expect.stringContaining('rows.ndjson:4')]);
});
