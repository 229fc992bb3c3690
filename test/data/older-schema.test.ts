import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deployRequest } from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';
import { type DataArchive, dataArchive, sampleFields } from './archive.ts';

/** Records whose newest version is of an older schema version are in no reading of the newest one, which says so. */

let archive: DataArchive;
beforeAll(async () => {
  archive = await dataArchive();
  await archive.ingest(['a', 'b', 'c'].map((id) => [id, { name: id }] as const));
  const schema = { id: 'sample', version: '1.1.0', fields: sampleFields };
  await archive.daemon.call('deploy', {
    json: { ...deployRequest([]), slug: 'samples', title: 'Samples', schema },
  });
  await archive.ingest([['a', { name: 'A' }]]);
}, 60_000);
afterAll(() => archive.close());

const osa = async (...args: string[]) => {
  await using world = await createCliWorld();
  return world.osa([...args, '--server', archive.daemon.url]);
};
const place = () => join(archive.daemon.directory, crypto.randomUUID());
const hint = '2 records more of sample@1.0.0: osa records samples --schema sample@1.0.0';

test.each([
  ['a list', () => ['records', 'samples']],
  ['a file', () => ['records', 'samples', '--out', `${place()}.csv`]],
  ['an export', () => ['export', 'samples', '--out', place()]],
])('%s names them', async (_what, args) => {
  const { code, stderr } = await osa(...args());
  expect([code, stderr]).toEqual([0, expect.stringContaining(hint)]);
});

test.each([
  ['--schema', 'sample@1.1.0'],
  ['--where', 'name = "A"'],
])('a query by %s knows what there is', async (...args) => {
  const { code, stderr } = await osa('records', 'samples', ...args);
  expect([code, stderr]).toEqual([0, '']);
});

test('the description of a schema lists the other versions that the convention has used', async () => {
  const versions = async (schema: string) => (await archive.get(`/${schema}`)).body.other_versions;
  expect(await versions('sample')).toEqual(['1.0.0']);
  expect(await versions('sample@1.0.0')).toEqual(['1.1.0']);
});
