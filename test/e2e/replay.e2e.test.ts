import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { osa, osaJson } from '../support/programs.ts';
import { type ProjectDaemon, refused, startProjectDaemon } from '../support/project-daemon.ts';

/** `osa replay` as a nightly job and a person meet it, over the example and over a hook that uses the clock. */

let scene: ProjectDaemon;
let place: string;
beforeAll(async () => {
  scene = await startProjectDaemon();
  place = await scene.project();
  await cp(join(import.meta.dirname, '../../examples/usgs-earthquakes'), place, { recursive: true });
  await writeFile(join(place, 'records.ndjson'), prepare().records);
  await osaJson(place, ['deploy', 'convention.yaml']);
  await osaJson(place, ['ingest', 'usgs-earthquakes', 'records.ndjson']);
}, 120_000);
afterAll(() => scene.close());

test('the rows of the example are identical, 200 of 200, and the archive is as it was', async () => {
  // The events name the request, and its end.
  const stored = async () => ({ ...(await scene.stored()), events: undefined });
  const before = await stored();
  const answer = await osaJson(place, ['replay', '--sample', '200']);
  expect(answer).toMatchObject({
    ...{ kind: 'sample', status: 'done', results: 200, identical: 200, differs: 0, cannot: 0 },
    not_identical: [],
  });
  const again = await osaJson(place, ['replay', '--sample', '200', '--seed', String(answer.seed)]);
  expect(again).toMatchObject({ identical: 200, releases: answer.releases });
  expect(await stored()).toEqual(before);
  const { stdout, exitCode } = await osa(place, [
    'replay',
    'seismic_energy',
    '--sample',
    '3',
    '--release',
    '1',
  ]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain('3 identical, of 3 results');
}, 120_000);

test('a whole run is replayed, and the traces of run and row say so', async () => {
  const { run: ran } = (await osaJson(place, ['trace', 'felt_radius/1'])) as { run: { id: string } };
  const run = ran.id;
  expect(await osaJson(place, ['replay', '--run', run])).toMatchObject({
    output: 'identical',
    differs: 0,
    cannot: 0,
  });
  expect((await osa(place, ['trace', run])).stdout).toContain('replayed   as a whole: 1 identical');
  expect((await osa(place, ['trace', 'felt_radius/1'])).stdout).toMatch(
    /replayed +(once|\d times): \d identical/,
  );
  const trace = await osaJson(place, ['trace', 'felt_radius/1']);
  expect(trace).toMatchObject({
    row: { replays: { differs: 0, cannot: 0, last: { verdict: 'identical', engine: 'process' } } },
  });
}, 120_000);

test('a hook that uses the clock differs: exit code 3, and the column is named', async () => {
  const project = await scene.project();
  await writeFile(
    join(project, 'convention.yaml'),
    `slug: clocked
title: Clocked
description: A hook that uses the clock.
schema:
  id: clocked
  version: 1.0.0
  fields: [{ name: value, type: number, required: true }]
hooks:
  - name: tick
    feature:
      cardinality: one
      columns: [{ name: value, json_type: number, required: true }, { name: at, json_type: number, required: true }]
    release: { directory: ./tick, command: [node, hook.mjs] }
`,
  );
  await cp(join(place, 'hooks/felt_radius'), join(project, 'tick'), { recursive: true });
  await writeFile(
    join(project, 'tick/hook.mjs'),
    `import { readFileSync, writeFileSync } from 'node:fs';
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean).map((line) => JSON.parse(line));
const rows = lines.map(({ id, metadata }) => ({ id, features: [{ value: metadata.value, at: Date.now() }] }));
writeFileSync(process.env.OSA_OUT + '/features.jsonl', rows.map((row) => JSON.stringify(row) + '\\n').join(''));
`,
  );
  await writeFile(join(project, 'records.ndjson'), '{"source_id":"a","metadata":{"value":1}}\n');
  await osaJson(project, ['deploy', 'convention.yaml']);
  await osaJson(project, ['ingest', 'clocked', 'records.ndjson']);
  const { exitCode, stdout } = await osa(project, ['replay', 'tick/1', '--json']);
  expect(exitCode).toBe(3);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ differs: 1, identical: 0 },
    not_identical: [{ rows: ['tick/1'], verdict: 'differs', columns: ['at'], examples: [{ column: 'at' }] }],
  });
  const plain = await osa(project, ['replay', 'tick/1']);
  expect(plain.stdout).toMatch(/tick\/1\s+differs in at/);
  expect((await osa(project, ['trace', 'tick/1'])).stdout).toMatch(
    /replayed +twice|replayed +2 times: 2 differ/,
  );
}, 120_000);

test('wrong usage is 2, what is not there is 1, and nothing is started', async () => {
  const before = await osaJson(place, ['replays', 'list']);
  expect((await refused(place, ['replay'], { exit: 2 })).field).toBe('what');
  expect((await refused(place, ['replay', 'seismic_energy'], { exit: 2 })).message).toContain('--sample');
  expect((await refused(place, ['replay', 'seismic_energy/1', '--seed', 'a'], { exit: 2 })).field).toBe(
    'seed',
  );
  expect((await refused(place, ['replay', '--sample', '3', '--release', '2'], { exit: 2 })).field).toBe(
    'release',
  );
  expect((await refused(place, ['replay', 'seismic_energy/999999'], { exit: 1 })).code).toBe('not_found');
  const gone = '01a208ff-5d8e-7c60-9a4e-3f1f2b6c7d80';
  expect((await refused(place, ['replay', '--run', gone], { exit: 1 })).code).toBe('not_found');
  await osaJson(place, ['hooks', 'pause', 'felt_radius']);
  expect((await refused(place, ['replay', 'felt_radius/1'], { exit: 1 })).code).toBe('conflict');
  await osaJson(place, ['hooks', 'resume', 'felt_radius']);
  expect(await osaJson(place, ['replays', 'list'])).toEqual(before);
}, 120_000);
