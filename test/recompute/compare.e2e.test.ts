import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { until } from '../support/database/database.ts';
import { osa, osaJson, startOsa } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

/** The cost of a bad release: held by a comparison before it is live, and healed by a rollback after that. */

let stage: ProjectDaemon;
beforeAll(async () => {
  stage = await startProjectDaemon();
});
afterAll(() => stage.close());

const example = join(import.meta.dirname, '../../examples/usgs-earthquakes');

/** A hook that answers what `body` (of `id` and `metadata`) returns. */
const answering = (body: string) => `import { existsSync, readFileSync, writeFileSync } from 'node:fs';
const answer = (id, metadata) => { ${body} };
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean);
const out = lines.map((line) => JSON.parse(line)).map(({ id, metadata }) => JSON.stringify({ id, ...answer(id, metadata) }));
writeFileSync(process.env.OSA_OUT + '/features.jsonl', out.join('\\n') + '\\n');
`;
const times = (factor: number) => answering(`return { features: [{ value: metadata.value * ${factor} }] }`);

test('the example: its second release is held in CI, live all the same, rolled back and healed', async () => {
  const place = await stage.project();
  for (const name of ['convention.yaml', 'convention.v2.yaml', 'hooks']) {
    await cp(join(example, name), join(place, name), { recursive: true });
  }
  const { records, corrected } = prepare();
  await writeFile(join(place, 'records.ndjson'), records);
  await writeFile(join(place, 'corrected.ndjson'), corrected);
  await osaJson(place, ['deploy', '--compare', '200', '--max-changed', '1%']);
  await osaJson(place, ['ingest', 'usgs-earthquakes', 'records.ndjson']);

  const gate = ['--compare', '200', '--max-changed', '1%'];
  const [summary, outputs] = [join(place, 'summary.md'), join(place, 'outputs')];
  const actions = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary, GITHUB_OUTPUT: outputs };
  const held = await osa(place, ['deploy', 'convention.v2.yaml', ...gate, '--json'], actions);
  expect(held.exitCode, held.stdout + held.stderr).toBe(3);
  const { verdict, deploy_id, holds, comparisons } = JSON.parse(held.stdout);
  expect([verdict, holds.length, comparisons[0].report.records]).toEqual(['beyond', 1, 200]);
  const markdown = await readFile(summary, 'utf8');
  expect(markdown.match(/^\| seismic\\_energy\/\d+ \|/gm)).toHaveLength(10);
  expect(markdown).toContain('- seismic\\_energy: v2 stays not live (live is v1)\n');
  expect(markdown).toContain('osa hooks activate seismic\\_energy 2');
  expect(await readFile(outputs, 'utf8')).toContain('live=false\n');
  const shown = await osa(place, ['hooks', 'show', 'seismic_energy']);
  expect(shown.stdout).toContain('live: v1');
  expect(shown.stdout).toContain(holds[0].comparison_id);
  for (const command of [
    ['deploys', 'show', deploy_id],
    ['trace', deploy_id],
  ]) {
    expect((await osa(place, command)).stdout).toContain(`osa comparisons show ${holds[0].comparison_id}`);
  }
  const report = await osa(place, ['comparisons', 'show', holds[0].comparison_id.slice(0, 23)]);
  expect(report.stdout, report.stderr).toContain('of 200 records');
  const tolerant = ['--tolerance', 'energy_j=any', '--tolerance', 'seismic_energy.moment_n_m=any'];
  const rest = ['--tolerance', 'moment_magnitude=any', '--tolerance', 'magnitude_source=any'];
  const plan = await osa(place, ['deploy', 'convention.v2.yaml', '--plan', ...gate, ...tolerant, ...rest]);
  expect([plan.exitCode, plan.stdout]).toEqual([
    3,
    expect.stringContaining('known release v2, to be compared'),
  ]);
  const through = await osaJson(place, ['deploy', 'convention.v2.yaml', ...gate, ...tolerant, ...rest]);
  expect(through).toMatchObject({
    verdict: 'live',
    holds: [{ version: 2, changed_records: 0, activated_seq: 2 }],
  });

  await osaJson(place, ['ingest', 'usgs-earthquakes', 'corrected.ndjson']);
  const second = ['rows', 'seismic_energy', '--release', '2', '--limit', '100'];
  const { rows } = await osaJson(place, second);
  expect(rows).toHaveLength(30);
  const back = ['hooks', 'rollback', 'seismic_energy', '--heal', '--yes', '--reason', 'under review'];
  const healed = await osa(place, back);
  expect([healed.exitCode, healed.stdout]).toEqual([0, expect.stringContaining('current rows of v2: 0')]);
  expect((await osaJson(place, second)).rows).toEqual([]);
  // The first row of v2, which the demonstration traces too.
  const left = await osaJson(place, ['trace', 'seismic_energy/1680']);
  const { superseded_by } = left.row;
  expect(left.row.current).toBe(false);
  expect(superseded_by).toMatchObject({ is_heal: true, reason: 'under review', release: 1, row_count: 1 });
  const [successor] = superseded_by.rows;
  expect(await osaJson(place, ['trace', successor])).toMatchObject({
    row: { current: true },
    release: { version: 1 },
  });
  const told = (await osa(place, ['trace', 'seismic_energy/1680'])).stdout;
  expect(told).toContain(`${successor}, of v1`);
  expect(told).toContain('under review');
});

test('a rollback while a release is compared is not undone, and the file can be deployed again', async () => {
  const place = await stage.project();
  const project = { hook: 'slow', slug: 'slow-numbers' };
  await writeProject(place, { ...project, code: times(1) });
  await writeRecords(join(place, 'records.ndjson'), [['a', 1]]);
  await osaJson(place, ['deploy']);
  await osaJson(place, ['ingest', project.slug, 'records.ndjson']);
  await writeProject(place, { ...project, code: times(2) });
  await osaJson(place, ['deploy']);
  const [began, goOn] = [join(place, 'began'), join(place, 'go-on')];
  const waiting = `writeFileSync(${JSON.stringify(began)}, '');
while (!existsSync(${JSON.stringify(goOn)})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
`;
  await writeProject(place, { ...project, code: times(1).replace('const answer', `${waiting}const answer`) });
  const gate = ['deploy', '--compare', '10', '--max-changed', '100%', '--json'];
  const [summary, outputs] = [join(place, 'summary.md'), join(place, 'outputs')];
  const actions = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary, GITHUB_OUTPUT: outputs };
  const deploying = startOsa(place, gate, actions);
  await until('the comparison', async () => readFile(began).catch(() => undefined));
  await osaJson(place, ['hooks', 'rollback', 'slow', '--yes']);
  await writeFile(goOn, '');
  const { exitCode, stdout } = await deploying;
  expect(exitCode, stdout).toBe(3);
  const gated = JSON.parse(stdout);
  expect(gated).toMatchObject({
    verdict: 'moved',
    problem: expect.stringContaining('osa hooks activate slow 3'),
  });
  const { items } = await osaJson(place, ['deploys', 'list', project.slug]);
  expect(gated.deploy_id).toBe(items[0].id);
  const listed = async () => (await osa(place, ['deploys', 'list', project.slug, '--limit', '1'])).stdout;
  expect(await listed()).toContain('slow v3 to be compared');
  expect((await osa(place, ['deploys', 'show', items[0].id])).stdout).toMatch(/^slow\n {2}digest: /m);
  const markdown = await readFile(summary, 'utf8');
  expect(markdown).toContain('0 of 1 record');
  expect(markdown).not.toContain('not deployed');
  expect(await readFile(outputs, 'utf8')).toContain(`deploy_id=${items[0].id}\nlive=false\n`);
  expect(await osaJson(place, ['hooks', 'show', 'slow'])).toMatchObject({
    live: { version: 1 },
    live_seq: 3,
  });
  await rm(summary);
  expect((await osa(place, gate, actions)).exitCode).toBe(0);
  expect(await readFile(summary, 'utf8')).toContain('- slow: v1 → v3 (change \\#4)\n');
  expect(await listed()).toContain('slow v3 to be compared');
  expect(await osaJson(place, ['hooks', 'show', 'slow'])).toMatchObject({
    live: { version: 3 },
    live_seq: 4,
  });
  await osaJson(place, ['hooks', 'rollback', 'slow', '--yes']);
  await writeFile(outputs, '');
  expect((await osa(place, gate, actions)).exitCode).toBe(0);
  expect(await readFile(outputs, 'utf8')).toContain('live=false\n');
});

test('a heal that leaves something names it and exits with 1', async () => {
  const place = await stage.project();
  const project = { hook: 'picky', slug: 'picky-numbers' };
  const flag = JSON.stringify(join(place, 'broken'));
  const picky = `if (existsSync(${flag}) && id === 'b') process.exit(7); return { features: [{ value: 1 }] }`;
  await writeProject(place, { ...project, code: answering(picky) });
  await writeRecords(join(place, 'records.ndjson'), [
    ['a', 1],
    ['b', 2],
  ]);
  await osaJson(place, ['deploy']);
  await writeProject(place, { ...project, code: times(2) });
  await osaJson(place, ['deploy']);
  await osaJson(place, ['ingest', project.slug, 'records.ndjson']);
  await writeFile(join(place, 'broken'), '');
  const { exitCode, stdout } = await osa(place, ['hooks', 'rollback', 'picky', '--heal', '--yes']);
  expect(exitCode, stdout).toBe(1);
  expect(stdout).toContain('current rows of v2: 1, of 1 record');
  expect(stdout).toMatch(/\bb\b.*errored|errored.*\bb\b/);
});
