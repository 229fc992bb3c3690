import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { osa, osaJson } from '../support/programs.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Somebody comes with a table. */

let stage: ProjectDaemon;
beforeAll(async () => {
  stage = await startProjectDaemon();
});
afterAll(() => stage.close());

const table =
  'Name,Mass (kg),Built\n"Beagle, HMS",242000.50,1820-05-11\nFram,402000,\nVostok,9007199254740991,1818-01-01\n';

test('three commands lead from a CSV to a traced row, with the digits of the table', async () => {
  const place = join(stage.directory, 'ships');
  await mkdir(place);
  await writeFile(join(place, 'ships.csv'), table);
  const { ingest } = await osaJson(place, ['init', '--from', 'ships.csv']);
  await osaJson(place, ['deploy']);
  expect(ingest).toBe('osa ingest ships ships.csv --id Name');
  const answer = await osaJson(place, ingest.split(' ').slice(1));
  expect(answer).toMatchObject({ status: 'completed', published: 3, invalid: 0, rows: 3 });
  const { rows } = await osaJson(place, ['rows', 'ships_completeness']);
  const traced = await Promise.all(
    rows.map(({ id }: { id: number }) => osaJson(place, ['trace', `ships_completeness/${id}`])),
  );
  const found = new Map(
    traced.map(({ record, row }) => [record.source_id, { line: record.line, ...row.values }]),
  );
  expect(found.get('Beagle, HMS')).toEqual({ line: 2, filled: 3, missing: 0 });
  expect(found.get('Fram')).toEqual({ line: 3, filled: 2, missing: 1 });
  const { stdout } = await osa(place, ['trace', `ships_completeness/${rows[2].id}`, '--json']);
  expect(stdout).toMatch(/"mass_kg": (242000\.5|402000|9007199254740991)\b/);
});

test('the same table again finds its ingestion, and one with other cells is checked before it is sent', async () => {
  const place = join(stage.directory, 'ships');
  const again = await osaJson(place, ['ingest', 'ships', 'ships.csv', '--id', 'Name']);
  expect(again).toMatchObject({ created: false, published: 3 });
  await writeFile(join(place, 'odd.csv'), table.replace('402000', 'heavy'));
  const checked = await osa(place, ['ingest', 'ships', 'odd.csv', '--id', 'Name', '--check']);
  expect([checked.exitCode, checked.stdout]).toEqual([1, expect.stringContaining('"heavy" is not a number')]);
  const { exitCode, stdout } = await osa(place, [
    'ingest',
    'ships',
    'odd.csv',
    '--id',
    'Name',
    '--max-failed',
    '0',
    '--json',
  ]);
  expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { invalid: 1, unchanged: 2, created: true }]);
  expect(JSON.parse(stdout).failures[0].reason).toBe(
    'odd.csv line 3: column "Mass (kg)": "heavy" is not a number',
  );
});

test.each([
  ['the_quick_brown_fox_jumps_over_lazy.csv', 'id,mass\na,1\n'],
  [`${'long_name_'.repeat(20)}.csv`, `id,${'t'.repeat(80)},${'t'.repeat(80)}u\na,1,2\n`],
  ['pg-tables.csv', 'sep=;\nid;mass\na;1\n'],
])('%s deploys under a name that is cut where names end', async (file, content) => {
  const place = join(stage.directory, file.slice(0, 12));
  await mkdir(place);
  await writeFile(join(place, file), content);
  const { ingest } = await osaJson(place, ['init', '--from', file]);
  await osaJson(place, ['deploy']);
  expect(await osaJson(place, ingest.split(' ').slice(1))).toMatchObject({
    status: 'completed',
    published: 1,
  });
});
